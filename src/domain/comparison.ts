import { isMultipartEtag, type ListedObject } from "./object.ts";
import type { LedgerEntry } from "./status.ts";

/**
 * What a source's and a replica's place in their listings, and what the ledger knows, say of them.
 *
 * `SUSPECT`: equal bytes, but the source was written again since the ledger's row: its attributes may differ. `UNCLEAR`: equal sizes, and
 * ETags that cannot be compared: their checksums may tell.
 */
export type Finding = "EQUAL" | "MISSING" | "DIFFERENT" | "EXTRA" | "SUSPECT" | "UNCLEAR" | "ABSENT_BUT_RECORDED";

export interface Compared {
  readonly source: ListedObject | undefined;
  readonly replica: ListedObject | undefined;
  readonly entry: LedgerEntry | undefined;
}

/** Compares two sides by what listings and the ledger tell, without asking any store. */
export function compare({ source, replica, entry }: Compared): Finding {
  if (source === undefined) return "EXTRA";
  const known = entry?.replica ?? null;
  if (replica === undefined) return known !== null && known.etag === source.etag ? "ABSENT_BUT_RECORDED" : "MISSING";
  if (source.sizeBytes !== replica.sizeBytes) return "DIFFERENT";
  const same = source.etag === replica.etag || (known !== null && known.etag === source.etag && known.destinationEtag === replica.etag);
  // A server-side copy made on an event alone never saw the source's LastModified, and recorded 0.
  if (same) return known !== null && known.lastModified !== 0 && known.lastModified !== source.lastModified ? "SUSPECT" : "EQUAL";
  return isMultipartEtag(source.etag) || isMultipartEtag(replica.etag) ? "UNCLEAR" : "DIFFERENT";
}

/** Compares stored checksums of the whole object: the first algorithm that both sides have decides; undefined where there is none. */
export function compareChecksums(
  source: Readonly<Record<string, string>> | undefined,
  replica: Readonly<Record<string, string>> | undefined,
): boolean | undefined {
  for (const [algorithm, value] of Object.entries(source ?? {})) {
    const other = replica?.[algorithm];
    if (other !== undefined) return other === value;
  }
  return undefined;
}
