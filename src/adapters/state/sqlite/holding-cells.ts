import type { Content, HeldObject, Holding, Intent } from "../../../domain/holding.ts";

/** What is known of a key beside its holding, which is there where `content` is. */
export type KnownCells = readonly [...HoldingCells, deletedAt: number | null];

/** Holdings and intents as they travel and stand in the tables; what is never searched for is JSON. */
export const HOLDING_COLUMNS = "bucket, key, object, content, is_replica, revision";
export type HoldingCells = readonly [
  bucket: string,
  key: string,
  object: string | null,
  content: string | null,
  isReplica: 0 | 1,
  revision: number,
];

export const INTENT_COLUMNS = "id, bucket, key, expected, content, expires_at";
export type IntentCells = readonly [id: string, bucket: string, key: string, expected: string | null, content: string, expiresAt: number];

export function toHoldingCells({ bucket, key, object, content, isReplica, revision }: Holding): HoldingCells {
  const text = object === null ? null : JSON.stringify(object);
  return [bucket, key.toWellFormed(), text, JSON.stringify(content), isReplica ? 1 : 0, revision];
}

export function fromHoldingCells([bucket, key, object, content, isReplica, revision]: HoldingCells): Holding | undefined {
  if (content === null) return undefined;
  return {
    bucket,
    key,
    object: object === null ? null : (JSON.parse(object) as HeldObject),
    content: JSON.parse(content) as Content,
    isReplica: isReplica === 1,
    revision,
  };
}

export function toIntentCells({ id, bucket, key, expected, content, expiresAt }: Intent): IntentCells {
  return [id, bucket, key.toWellFormed(), expected === null ? null : JSON.stringify(expected), JSON.stringify(content), expiresAt];
}

export function fromIntentCells([id, bucket, key, expected, content, expiresAt]: IntentCells): Intent {
  return {
    id,
    bucket,
    key,
    expected: expected === null ? null : (JSON.parse(expected) as Intent["expected"]),
    content: JSON.parse(content) as Content,
    expiresAt,
  };
}
