import type { Content } from "./holding.ts";
import type { ObjectAttributes } from "./object.ts";

/** The metadata entry (`x-amz-meta-replicast`) that a replica in an interior bucket carries for the day the ledger is lost. */
export const STAMP_NAME = "replicast";

export interface StampPlace {
  /** Digest of the bucket's canonical id and the key that the replica is at. */
  readonly place: string;
  /** ETag of the object that was copied. */
  readonly sourceEtag: string;
}

/** `v1;origin;origin time;H(bucket,key);source ETag` */
export function stampOf(content: Content, { place, sourceEtag }: StampPlace): string {
  return ["v1", encodeURIComponent(content.origin), Math.floor(content.originTime / 1000), place, sourceEtag].join(";");
}

/**
 * The content that a stamp tells of, or undefined where it is none or was made for another place: a client that copies an object copies
 * its stamp too. The ETag is the caller's to check, since a bucket may give its own.
 */
export function readStamp(
  stamp: string | undefined,
  place: string,
): { readonly content: Content; readonly sourceEtag: string } | undefined {
  const [version, origin, seconds, at, etag] = (stamp ?? "").split(";");
  if (version !== "v1" || origin === undefined || !/^\d+$/.test(seconds ?? "") || at !== place || !etag) return undefined;
  const bucket = decoded(origin);
  if (bucket === undefined) return undefined;
  const originTime = Number(seconds) * 1000;
  return {
    content: { origin: bucket, originTime, originEtag: etag, dot: Number(seconds), history: { [bucket]: Number(seconds) } },
    sourceEtag: etag,
  };
}

/** What an object carries of its own: the stamp is ours. */
export function withoutStamp<A extends Pick<ObjectAttributes, "metadata">>(attributes: A): A {
  if (!(STAMP_NAME in attributes.metadata)) return attributes;
  const { [STAMP_NAME]: _, ...metadata } = attributes.metadata;
  return { ...attributes, metadata };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
