import type { LedgerEntry } from "./status.ts";

/** One version or delete marker in the history of a key. */
export interface KeyVersion {
  readonly versionId: string;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
  readonly isDeleteMarker: boolean;
}

/** Id of the one version that a bucket without versioning keeps: its content changes under the same id. */
export const NULL_VERSION = "null";

export type VersionRow = Pick<LedgerEntry, "status" | "reason" | "replica">;
export type VersionRows = ReadonlyMap<string, VersionRow>;

/** `apply`: goes on top of what the destination has. `refuse`: a newer one is there already, so that it never may. */
export interface HistoryStep<V extends KeyVersion = KeyVersion> {
  readonly do: "apply" | "refuse";
  readonly version: V;
}

/**
 * What is left to do until a destination has the history of a key, oldest first. A version older than one that was replicated is never applied;
 * which of two is older is what the source's listing says, no clock. Pure.
 *
 * @param versions as listed: the newest first
 * @param rows by source version
 */
export function planHistory<V extends KeyVersion>(versions: readonly V[], rows: VersionRows): readonly HistoryStep<V>[] {
  const newest = versions.findIndex((version) => isReplicated(version, rows.get(version.versionId)));
  const steps = versions.flatMap((version, i): readonly HistoryStep<V>[] => {
    const row = rows.get(version.versionId);
    if (isReplicated(version, row)) return [];
    if (newest === -1 || i < newest) return [{ do: "apply", version }];
    return isPassedOver(row) ? [] : [{ do: "refuse", version }];
  });
  return steps.reverse();
}

export function isReplicated(version: KeyVersion, row: VersionRow | undefined): boolean {
  if (row?.status !== "COMPLETED" || row.replica === null) return false;
  const { etag, lastModified } = row.replica;
  return version.versionId !== NULL_VERSION || (etag === version.etag && seconds(lastModified) === seconds(version.lastModified));
}

/** Nothing more will come of it: a person was told, or it was never wanted. */
function isPassedOver(row: VersionRow | undefined): boolean {
  return row?.status === "SKIPPED" || (row?.status === "FAILED" && row.reason === "OutOfOrder");
}

export interface Unrecorded<V extends KeyVersion, D extends KeyVersion> {
  /** Still to be applied, oldest first. */
  readonly versions: readonly V[];
  /** What stands at the destination above everything recorded, oldest first. */
  readonly there: readonly D[];
  /** Whether a version may have been left out when others were applied. */
  readonly mayBeLeftOut: (version: V) => boolean;
}

/**
 * Which versions were applied by a writer that died before it could say so: those that stand at the destination in the very order in which they
 * would have been applied. What else stands there is somebody else's. Pure.
 */
export function recognize<V extends KeyVersion, D extends KeyVersion>({
  versions,
  there,
  mayBeLeftOut,
}: Unrecorded<V, D>): ReadonlyMap<V, D> {
  const found = new Map<V, D>();
  let next = 0;
  for (const written of there) {
    let at = next;
    while (at < versions.length && !isAlike(versions[at] as V, written) && mayBeLeftOut(versions[at] as V)) at++;
    const version = versions[at];
    if (version === undefined || !isAlike(version, written)) continue;
    found.set(version, written);
    next = at + 1;
  }
  return found;
}

/** Is true for two markers, and for two objects that seem to have the same bytes. */
export function isAlike(a: KeyVersion, b: KeyVersion): boolean {
  if (a.isDeleteMarker || b.isDeleteMarker) return a.isDeleteMarker === b.isDeleteMarker;
  return a.etag === b.etag && a.sizeBytes === b.sizeBytes;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
