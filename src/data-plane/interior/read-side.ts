import type { Intent } from "../../domain/holding.ts";
import type { ListedVersion } from "../../ports/object-store.ts";
import type { Known } from "../../ports/state.ts";
import { aclOf } from "../carried-guards.ts";
import type { DeleteEvidence } from "../delete-evidence.ts";
import type { Place } from "../place.ts";
import { readHistory } from "../versions/key-history.ts";
import { hashTags, toHeld } from "./held-object.ts";
import { type FoundObject, type Reading, readingOfAbsence, readingOfObject } from "./reading.ts";

export interface ReadOptions {
  readonly evidence: DeleteEvidence;
  /** Also reads the tags, so that a change of them alone is seen. */
  readonly withTags: boolean;
  /** Also reads the ACL, as {@link withTags} the tags. */
  readonly withAcl?: boolean | undefined;
  /** A change of tags or ACL was announced: where nobody read them before, they count as changed. */
  readonly isRetagged?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks a bucket what it holds under a key and finds out where that came from. Changes nothing. */
export async function readSide({ store, key }: Place, known: Known, options: ReadOptions): Promise<Reading> {
  const { evidence, signal } = options;
  const observation = await store.observe(key, { signal });
  if (observation.kind !== "object") return readingOfAbsence(store.bucket, known, { key, observation, evidence });
  const { state } = observation;
  const tagsHash = options.withTags ? hashTags(await store.tags(key, { signal })) : null;
  const acl = options.withAcl === true ? { acl: await aclOf(store, key, { signal }) } : undefined;
  const object = { ...toHeld(state, tagsHash), ...acl };
  const found: FoundObject = { state, object, isRetagged: options.isRetagged === true, under: [] };
  const reading = readingOfObject(store.bucket, known, found);
  const mayCover = reading.holding?.isReplica === false && reading.changed && reading.hasIntents && object.versionId !== null;
  if (!mayCover) return reading;
  return readingOfObject(store.bucket, known, { ...found, under: await covered({ store, key }, known, signal) });
}

/** Announced writes whose versions lie under what is there: they landed, and whoever wrote over them knew of them. */
async function covered({ store, key }: Place, { holding, intents }: Known, signal: AbortSignal | undefined): Promise<readonly Intent[]> {
  const isKnown = ({ versionId, isDeleteMarker }: ListedVersion) =>
    holding?.object === null ? isDeleteMarker : versionId === holding?.object?.versionId;
  const history = await readHistory(store, { key, until: isKnown, signal });
  const since = history.slice(1).filter((version) => !isKnown(version));
  return intents.filter(({ expected }) => since.some((version) => isWriteOf(expected, version)));
}

function isWriteOf(expected: Intent["expected"], { isDeleteMarker, etag, sizeBytes }: ListedVersion): boolean {
  if (expected === null || isDeleteMarker) return expected === null && isDeleteMarker;
  return expected.etag === etag && expected.sizeBytes === sizeBytes;
}
