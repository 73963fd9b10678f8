import type { Bucket } from "../../domain/bucket.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { evidenceOf } from "../delete-evidence.ts";
import { filterVerdict } from "../filter-verdict.ts";
import type { RuleIndex } from "../rule-index.ts";
import { type Failed, type Settled, settled } from "../settlement.ts";
import { type AclParts, comparesAcls } from "./attributes.ts";
import { type ConflictParts, openConflict } from "./conflict-record.ts";
import type { KeyReader } from "./key-reader.ts";
import type { Reading } from "./reading.ts";
import { type Attempt, isOfAttributes, type Situation } from "./situation.ts";
import { transitBars } from "./transit.ts";
import { unreadSource } from "./wants.ts";

export interface BothSidesParts extends AclParts, ConflictParts {
  readonly reader: KeyReader;
  readonly rules: RuleIndex;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
}

/**
 * Finds out what both sides hold: the source is always read, the destination where it cannot be believed. "again": a side was changed
 * meanwhile. A settlement where nothing of the source may go this way, whatever is at its end.
 */
export async function readBothSides(parts: BothSidesParts, attempt: Attempt): Promise<Situation | Settled | Failed | "again"> {
  const isAclCompared = await comparesAcls(parts, attempt);
  const withAcl = isOfAttributes(attempt) && isAclCompared;
  const source = await readSource(parts, attempt, withAcl).catch((error: unknown) => unreadSource(parts.rules, attempt, error));
  if (source === undefined) return "again";
  if ("kind" in source) return source;
  const barred = await barredFromWay(parts, attempt, source);
  if (barred !== undefined) return barred;
  const destination = await readDestination(parts, attempt, withAcl);
  if (destination === undefined) return "again";
  return { ...attempt, source, destination, conflict: await openConflict(parts, attempt), comparesAcls: isAclCompared };
}

async function readSource({ reader, clock }: BothSidesParts, attempt: Attempt, withAcl: boolean): Promise<Reading | undefined> {
  const { aim, task, signal } = attempt;
  const evidence = evidenceOf(task, clock.now());
  const withTags = isOfAttributes(attempt);
  return reader.read(aim.rule.source, task.key, { evidence, withTags, withAcl, isRetagged: withTags && task.eventTime !== null, signal });
}

/** What keeps the object from this way, whatever is at its end. */
async function barredFromWay({ storeOf }: BothSidesParts, { aim, signal }: Attempt, source: Reading): Promise<Settled | undefined> {
  const { rule } = aim;
  const barred = transitBars(rule, source.holding);
  if (barred !== undefined || source.state === undefined) return barred;
  const isLetIn = await filterVerdict(rule, source.state, { store: storeOf(rule.source), signal });
  return isLetIn ? undefined : settled("SKIPPED", "FilteredOut");
}

async function readDestination({ reader, clock }: BothSidesParts, attempt: Attempt, withAcl: boolean): Promise<Reading | undefined> {
  const { key, signal } = attempt;
  const { bucket } = attempt.aim.destination;
  const believed = await reader.believe(bucket, key);
  if (!mustLook(attempt, believed)) return believed;
  const evidence = { announced: false, at: clock.now() };
  return reader.read(bucket, key, { evidence, withTags: isOfAttributes(attempt), withAcl, signal });
}

/** In the live path the destination is what the row says, and the condition of the write finds out where it is not. */
function mustLook(attempt: Attempt, { holding, hasIntents }: Reading): boolean {
  const { task } = attempt;
  if (attempt.mustLook || task.attempts > 0 || isOfAttributes(attempt) || hasIntents) return true;
  return task.lane === "backfill" && holding !== undefined;
}
