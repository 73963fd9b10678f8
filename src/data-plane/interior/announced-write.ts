import type { Bucket } from "../../domain/bucket.ts";
import { ReplicationError } from "../../domain/error.ts";
import { compareContents, type Intent } from "../../domain/holding.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import type { Holdings } from "../../ports/state.ts";
import { type Failed, failed } from "../settlement.ts";
import { type ExpectedEvent, type OwnWrites, WRITE_WAITS_MS } from "./own-writes.ts";
import type { End, Situation } from "./situation.ts";

export interface AnnouncedWriteParts {
  readonly holdings: Pick<Holdings, "known" | "announce" | "withdraw" | "abandon">;
  readonly ownWrites: Pick<OwnWrites, "begin">;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
  /** A new id for an intent, unique over all processes. */
  readonly newId: () => string;
}

/** A write that nobody has heard of for so long is not waited for: what it carries moves at a mebibyte a second at least. */
const INTENT_MS = 20_000;
const INTENT_BYTES_PER_MS = 1_049;

export interface AnnouncedWrite extends Pick<Intent, "content" | "expected"> {
  /** How much has to move. */
  readonly bytes: number;
  readonly write: () => Promise<Written>;
}

export type Written =
  /** `announced` is the event that it makes, absent where nothing was changed. */
  | { readonly kind: "made"; readonly end: Exclude<End, Failed | string>; readonly announced?: ExpectedEvent | undefined }
  /** Nothing was written. */
  | { readonly kind: "not-made"; readonly end: "look" | Failed }
  /** The destination's answer is an error, or none came. */
  | { readonly kind: "broken"; readonly error: ReplicationError };

/**
 * Announces a write to the destination and makes it. The key is let go of at once where nothing was written, else when the outcome, which closes
 * the intent, is recorded.
 */
export async function writeAnnounced(parts: AnnouncedWriteParts, situation: Situation, plan: AnnouncedWrite): Promise<End> {
  const { key, aim } = situation;
  const open = await parts.ownWrites.begin(aim.destination.bucket.id, key, WRITE_WAITS_MS);
  if (open === undefined) throw new ReplicationError("BeingWritten", `${key} is being written`, { retryAfterMs: WRITE_WAITS_MS });
  let written: Written | "again" = "again";
  try {
    written = await announceAndWrite(parts, situation, plan);
  } finally {
    if (written === "again" || written.kind !== "made") open.ended();
  }
  if (written === "again") return written;
  if (written.kind === "broken") return failed(written.error);
  if (written.kind === "not-made") return written.end;
  const { end, announced } = written;
  return { ...end, onRecorded: () => open.ended(announced) };
}

async function announceAndWrite(parts: AnnouncedWriteParts, situation: Situation, plan: AnnouncedWrite): Promise<Written | "again"> {
  const { holdings, clock } = parts;
  const { destination } = situation;
  const intent = toIntent(parts, situation, plan);
  if (!(await holdings.announce(intent, destination.revision, clock.now()))) return "again";
  const written = await plan.write();
  if (written.kind !== "made") {
    if (written.kind === "not-made" || isRefusal(written.error)) await holdings.withdraw(intent.id);
    // The write may have happened: its intent stays, to be recognised by, but nobody waits for it any more.
    else await holdings.abandon(intent.id, clock.now());
    return written;
  }
  // Where that fails they stay, and the next write tries again: this one is made, and has to be recorded.
  if (destination.hasIntents) await forgetOvertaken(parts, situation, intent).catch(() => undefined);
  return { ...written, end: { ...written.end, closes: intent.id } };
}

function toIntent({ newId, clock }: AnnouncedWriteParts, { aim, key }: Situation, { content, expected, bytes }: AnnouncedWrite): Intent {
  const expiresAt = clock.now() + INTENT_MS + Math.ceil(bytes / INTENT_BYTES_PER_MS);
  return { id: newId(), bucket: aim.destination.bucket.id, key, expected, content, expiresAt };
}

/**
 * Closes what earlier attempts left announced: their conditions cannot hold any more, and a client that brings an old version back must not
 * be taken for them. Where conditions are not honoured one may still land, and is kept to be recognised by (invariant 10).
 */
async function forgetOvertaken(parts: AnnouncedWriteParts, { aim, signal }: Situation, by: Intent): Promise<void> {
  const { holdings, clock } = parts;
  const can = await parts.storeOf(aim.destination.bucket).capabilities(signal);
  const { intents } = await holdings.known(by.bucket, by.key);
  for (const { id, expected, expiresAt, content } of intents) {
    const isConditional = expected === null ? can.conditionalDelete : can.conditionalPut;
    const isOver = id !== by.id && expiresAt <= clock.now() && compareContents(content, by.content) !== "newer";
    if (isConditional && isOver) await holdings.withdraw(id);
  }
}

/** Whether the store said no: then nothing was written. */
function isRefusal({ disposition, code }: ReplicationError): boolean {
  // What a destination lacks is seen in its answer, when the object is there already.
  if (code === "CapabilityMissing") return false;
  return disposition === "permanent" || code === "SlowDown" || code === "BadDigest";
}
