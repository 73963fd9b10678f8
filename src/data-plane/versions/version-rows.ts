import { blankEntry, type LedgerEntry, type ReplicaRecord } from "../../domain/status.ts";
import type { ListedVersion } from "../../ports/object-store.ts";
import type { Ledger, Route } from "../../ports/state.ts";
import { rowsOfRoute } from "./key-history.ts";

export interface VersionRowsOptions {
  readonly ledger: Pick<Ledger, "entriesOf">;
  readonly route: Route;
  readonly key: string;
  readonly now: () => number;
}

/** What a version of the source has become at the destination. */
export interface VersionThere {
  readonly versionId: string | undefined;
  readonly etag: string;
  readonly proof: ReplicaRecord["proof"];
  readonly hash?: string | null | undefined;
  readonly notes?: readonly string[] | undefined;
}

/** What is recorded of one key on one route, version by version, with what this run has to add. */
export class VersionRows {
  readonly #options: VersionRowsOptions;
  readonly #startedAt: number;
  #rows = new Map<string, LedgerEntry>();
  readonly #news = new Map<string, LedgerEntry>();
  #current: LedgerEntry | undefined;

  constructor(options: VersionRowsOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  async read(): Promise<void> {
    const { ledger, route, key } = this.#options;
    const { current, versions } = rowsOfRoute(await ledger.entriesOf(route.source, key), route);
    this.#current = current;
    this.#rows = new Map([...versions, ...this.#news]);
  }

  /** The row of the key itself. */
  get current(): LedgerEntry | undefined {
    return this.#current;
  }

  /** By the source's version ids. */
  get all(): ReadonlyMap<string, LedgerEntry> {
    return this.#rows;
  }

  /** Rows that are not durable yet. */
  get news(): readonly LedgerEntry[] {
    return [...this.#news.values()];
  }

  get newsCount(): number {
    return this.#news.size;
  }

  /** Versions of the destination that are recorded, and of which version of the source each is. */
  sourceIds(): ReadonlyMap<string, string> {
    const ids = new Map<string, string>();
    for (const { versionId, replica } of this.#rows.values()) {
      if (replica?.destinationVersionId != null) ids.set(replica.destinationVersionId, versionId);
    }
    return ids;
  }

  completed(version: ListedVersion, there: VersionThere): void {
    const replica: ReplicaRecord = {
      etag: version.etag,
      versionId: version.versionId,
      lastModified: version.lastModified,
      attributeHash: there.hash ?? null,
      bytes: version.sizeBytes,
      proof: there.proof,
      destinationEtag: there.etag,
      destinationVersionId: there.versionId ?? null,
    };
    // A marker's row is that of a version that was copied: a row of a delete could not keep the map of ids.
    const reason = version.isDeleteMarker ? "DeleteMarker" : null;
    this.#record(version, { status: "COMPLETED", reason, replica, notes: there.notes ?? [] });
  }

  passedOver(version: ListedVersion, end: Pick<LedgerEntry, "status" | "reason"> & Partial<LedgerEntry>): undefined {
    const before = this.#rows.get(version.versionId);
    const isSaid = before?.status === end.status && before.reason === end.reason;
    if (!isSaid) this.#record(version, { ...end, operation: version.isDeleteMarker ? "delete" : "copy" });
  }

  #record({ versionId }: ListedVersion, end: Partial<LedgerEntry>): void {
    const { route, key } = this.#options;
    const now = this.#options.now();
    const before = this.#rows.get(versionId);
    const entry: LedgerEntry = {
      ...blankEntry({ ...route, key }),
      versionId,
      origin: route.source,
      attempts: (before?.attempts ?? 0) + 1,
      startedAt: this.#startedAt,
      finishedAt: now,
      firstFailedAt: end.status === "FAILED" ? (before?.firstFailedAt ?? now) : null,
      ...end,
    };
    this.#rows.set(versionId, entry);
    this.#news.set(versionId, entry);
  }
}
