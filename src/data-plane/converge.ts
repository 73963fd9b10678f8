import type { Bucket } from "../domain/bucket.ts";
import type { Conflict, ConflictSide } from "../domain/conflict.ts";
import { type Decision, decide, type Side } from "../domain/decision.ts";
import { ReplicationError, toReplicationError } from "../domain/error.ts";
import {
  type Content,
  compareContents,
  compareForNewest,
  descendingFrom,
  type HeldObject,
  type Holding,
  type Intent,
} from "../domain/holding.ts";
import { destinationKey, type Rule } from "../domain/rule.ts";
import { stampOf } from "../domain/stamp.ts";
import type { LedgerEntry, Operation, ReplicaRecord } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Holdings, Lane, LeasedTask, Ledger, Safeguards, Want } from "../ports/state.ts";
import type { Transfer, TransferDestination, TransferOutcome, TransferredSource } from "../ports/transfer.ts";
import { RESTORE_AFTER_MS } from "./backfill-interior.ts";
import { aclAfter, type Carried, carryAcl, carryLock, notesAfter } from "./carried-guards.ts";
import type { DeleteGates } from "./delete-gates.ts";
import { deleteObject } from "./delete-object.ts";
import { toRoute } from "./diff.ts";
import { filterVerdict } from "./filter-verdict.ts";
import type { KeyReader } from "./key-reader.ts";
import { type ExpectedEvent, type OwnWrites, WRITE_WAITS_MS } from "./own-writes.ts";
import { type Aim, attributeHash } from "./replicate.ts";
import type { RuleIndex } from "./rule-index.ts";
import { type Assignment, type Failed, failed, isRejected, type Settled, type Settlement, settled, standingReason } from "./settlement.ts";
import { evidenceOf, hashTags, placeOf, type Reading } from "./sides.ts";
import { transitBars } from "./transit.ts";

export interface ConvergeParts {
  readonly transfer: Transfer;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly holdings: Holdings;
  readonly ledger: Pick<Ledger, "get">;
  readonly safeguards: Safeguards;
  readonly rules: RuleIndex;
  readonly clock: Clock;
  readonly ownWrites: OwnWrites;
  readonly reader: KeyReader;
  readonly gates: DeleteGates;
  /** A new id for an intent, unique over all processes. */
  readonly newId: () => string;
  /** Whether every bucket of the rule has once been compared as a whole: from then on what has no row is new. */
  readonly isCompared: (rule: Rule) => Promise<boolean>;
}

/** How often sides that change under our hands are read again before the task is left for later. */
const ROUNDS = 6;
/** A write that nobody has heard of for so long is not waited for: what it carries moves at a mebibyte a second at least. */
const INTENT_MS = 20_000;
const INTENT_BYTES_PER_MS = 1_049;

/**
 * Brings one interior bucket in line with another under one key: reads the source, decides by what both descend from, announces the write,
 * writes on the condition that the destination is as it was decided on, and tells what both are known to hold from then on.
 */
export async function converge(parts: ConvergeParts, assignment: Assignment): Promise<Settlement> {
  let mustLook = false;
  let wasRefused = false;
  for (let round = 0; round < ROUNDS; round++) {
    const attempt = new Attempt(parts, assignment, { mustLook, wasRefused });
    const end = await attempt.run().catch((error: unknown) => failed(error, { ...attempt.tried, wants: attempt.substitutes(error) }));
    if (end !== "again" && end !== "look") return end;
    wasRefused ||= mustLook && end === "look";
    mustLook ||= end === "look";
  }
  return failed(new ReplicationError("PreconditionFailed", `${assignment.task.key} changed each time it was read`));
}

interface AttemptOptions {
  /** The destination is to be read, not believed. */
  readonly mustLook: boolean;
  /** A write on the condition of what was read a moment before did not pass. */
  readonly wasRefused: boolean;
  readonly signal: AbortSignal | undefined;
}

/** "look": again, and with the destination read. */
type End = Settlement | "again" | "look";
interface Written {
  readonly end: Settled | "again" | "look";
  /** The event that it makes, where something was written. */
  readonly announced?: ExpectedEvent | undefined;
}

/** What a change of attributes leaves. */
interface Given {
  readonly held: HeldObject;
  /** Whether anything was written, so that an event comes. */
  readonly isWritten: boolean;
}

type ObjectSide = Side & { kind: "object" };

class Attempt {
  readonly #parts: ConvergeParts;
  readonly #task: LeasedTask;
  readonly #aim: Aim;
  readonly #options: AttemptOptions;
  readonly #key: string;
  #sourceFailed = false;
  /** As it was when it was decided what to do: the other direction waits meanwhile. */
  #open: Conflict | undefined;
  #operation: Operation = "copy";
  /** Whether the source's ACL is one that was given to it. */
  #comparesAcls = false;
  /** What became of the replica's ACL, where it was looked at. */
  #acl: Carried | undefined;
  /** As it was when the attempt began, where it may say something of a delete. */
  #row: LedgerEntry | undefined;

  constructor(parts: ConvergeParts, { task, aim, signal }: Assignment, rounds: Omit<AttemptOptions, "signal">) {
    this.#parts = parts;
    this.#task = task;
    this.#aim = aim;
    this.#options = { ...rounds, signal };
    this.#key = destinationKey(aim.destination, task.key);
  }

  /** What is being tried, and what stands if it fails. */
  get tried(): Pick<Failed, "operation" | "standing"> {
    return { operation: this.#operation, standing: standingReason(this.#row) };
  }

  async run(): Promise<End> {
    const { rule } = this.#aim;
    const { lane, attempts, changes } = this.#task;
    if (lane === "backfill" || attempts > 0 || changes?.deleted === true) this.#row = await this.#readRow();
    this.#comparesAcls = rule.preserve.acl && !(await this.#lacksAcls());
    const source = await this.#readSource();
    if (source === undefined) return "again";
    const refused = await this.#refusal(source);
    if (refused !== undefined) return refused;
    const target = await this.#readDestination();
    if (target === undefined) return "again";
    const known = await this.#isKnown(source, target);
    const decision = decide({
      source: source.side,
      destination: target.side,
      sourceBucket: rule.source.id,
      policy: rule.conflict,
      members: this.#members,
      isOneWay: rule.mesh === undefined,
      carriesAcls: this.#comparesAcls && !(await this.#isAclRefused(source, target)),
      ignoresExpirations: !rule.expirations,
      known,
    });
    const lock = await this.#carryLock(source, target);
    const end = await this.#act(decision, source, target);
    if (typeof end === "string" || end.kind !== "settled") return end;
    const isKept = decision.do !== "copy" && source.side.kind === "object" && target.side.kind === "object";
    const noted = isKept ? ((await this.#readRow())?.notes ?? []) : [];
    return { ...end, notes: notesAfter([...new Set([...noted, ...end.notes])], { lock, acl: this.#acl }) };
  }

  /**
   * Whether the source could not take the ACL of another member's object, by the notes of the ways there: then its own says nothing, and less
   * than anything that the others' is too open.
   */
  async #lacksAcls(): Promise<boolean> {
    const { rule } = this.#aim;
    const ways = (rule.mesh ?? []).flatMap((id) => this.#parts.rules.legOf(rule.id, id, rule.source.id) ?? []);
    const rows = await Promise.all(ways.map((way) => this.#parts.ledger.get(toRoute(way.rule, way.destination), this.#task.key)));
    return rows.some((row) => row?.notes.includes("AclNotKept"));
  }

  /** Whether the destination could not take the source's ACL, which has not been changed since. */
  async #isAclRefused({ side: source }: Reading, { side: target }: Reading): Promise<boolean> {
    if (this.#aim.rule.mesh === undefined || source.kind !== "object" || target.kind !== "object") return false;
    if ((source.content.retagged ?? 0) > (target.content.retagged ?? 0)) return false;
    return (await this.#readRow())?.notes.includes("AclNotKept") === true;
  }

  /** Locks have no history: whichever side holds the same bytes harder, the other is brought up to it, so that there is nothing to decide. */
  async #carryLock({ state: source }: Reading, { state: replica }: Reading): Promise<Carried | undefined> {
    const { rule, destination } = this.#aim;
    if (!this.#withTags || !rule.preserve.objectLock || source === undefined || replica === undefined) return undefined;
    if (source.etag !== replica.etag || source.sizeBytes !== replica.sizeBytes) return undefined;
    const { clock } = this.#parts;
    const store = this.#storeOf(destination.bucket);
    return carryLock({ source, replica: { store, state: replica }, now: clock.now(), signal: this.#options.signal });
  }

  /**
   * Whether a difference is a conflict that a policy may decide. What was there before anybody looked is not: only a person can say which is
   * right, and where one was asked the answer is waited for (invariant 11).
   */
  async #isKnown(source: Reading, target: Reading): Promise<boolean> {
    this.#open = await this.#openConflict();
    if (this.#open !== undefined) return false;
    const isFound = ({ side }: Reading) => side.kind !== "absent" && side.content.isFound === true;
    if (!isFound(source) && !isFound(target)) return true;
    return this.#task.changes?.missed !== true && (await this.#parts.isCompared(this.#aim.rule));
  }

  /** Where the source could not be asked, any other member of the mesh may have what the destination lacks. */
  substitutes(error: unknown): readonly Want[] {
    const { code } = toReplicationError(error);
    if (!this.#sourceFailed || code === "Aborted") return [];
    const { rule, destination } = this.#aim;
    const others = (rule.mesh ?? []).filter((id) => id !== rule.source.id && id !== destination.bucket.id);
    return others.flatMap((id) => this.#wantFrom(id, destination.canonicalId));
  }

  /** What a person keeps at the destination from one member's delete is kept from all that the delete reached meanwhile. */
  async #isRejectedOf(row: LedgerEntry | undefined, told: LeasedTask): Promise<boolean> {
    const { rule, destination } = this.#aim;
    for (const id of rule.mesh ?? []) {
      const leg = id === rule.source.id ? undefined : this.#parts.rules.legOf(rule.id, id, destination.canonicalId);
      if (leg === undefined) continue;
      const other = await this.#parts.ledger.get(toRoute(leg.rule, leg.destination), this.#task.key);
      if (isRejected(other, told) && (other?.finishedAt ?? 0) > (row?.finishedAt ?? 0)) return true;
    }
    return false;
  }

  #readRow(): Promise<LedgerEntry | undefined> {
    const { rule, destination } = this.#aim;
    return this.#parts.ledger.get(toRoute(rule, destination), this.#task.key);
  }

  async #readSource(): Promise<Reading | undefined> {
    const { rule } = this.#aim;
    const { changes, eventTime, key } = this.#task;
    const evidence = evidenceOf(this.#task, this.#parts.clock.now());
    try {
      const isRetagged = changes?.attributes === true && eventTime !== null;
      return await this.#parts.reader.read(rule.source, key, {
        evidence,
        withTags: this.#withTags,
        withAcl: this.#withAcl,
        isRetagged,
        signal: this.#options.signal,
      });
    } catch (error) {
      this.#sourceFailed = true;
      throw error;
    }
  }

  async #readDestination(): Promise<Reading | undefined> {
    const { bucket } = this.#aim.destination;
    const believed = await this.#parts.reader.believe(bucket, this.#key);
    if (!this.#mustLook(believed)) return believed;
    const evidence = { announced: false, at: this.#parts.clock.now() };
    const [withTags, withAcl] = [this.#withTags, this.#withAcl];
    return this.#parts.reader.read(bucket, this.#key, { evidence, withTags, withAcl, signal: this.#options.signal });
  }

  get #withTags(): boolean {
    return this.#task.changes?.attributes === true;
  }

  get #withAcl(): boolean {
    return this.#withTags && this.#comparesAcls;
  }

  /** In the live path the destination is what the row says, and the condition of the write finds out where it is not. */
  #mustLook({ holding, hasIntents }: Reading): boolean {
    if (this.#options.mustLook || this.#task.attempts > 0 || this.#withTags || hasIntents) return true;
    return this.#task.lane === "backfill" && holding !== undefined;
  }

  /** What keeps the object from this way, whatever is at its end. */
  async #refusal(source: Reading): Promise<Settlement | undefined> {
    const { rule } = this.#aim;
    const barred = transitBars(rule, source.holding);
    if (barred !== undefined) return barred;
    if (source.state === undefined) return undefined;
    const verdict = await filterVerdict(rule, source.state, { store: this.#storeOf(rule.source), signal: this.#options.signal });
    return verdict ? undefined : settled("SKIPPED", "FilteredOut");
  }

  async #act(decision: Decision, source: Reading, target: Reading): Promise<End> {
    switch (decision.do) {
      case "nothing":
        return this.#nothing(decision.because, source, target);
      case "adopt":
        return this.#adopt(source, target);
      case "copy":
        return this.#copy(source, target, decision.conflict);
      case "delete":
        return this.#delete(source, target, decision.conflict);
      case "retag":
        return this.#retag(source, target);
      case "yield":
        return this.#yield(source, target, decision.conflict);
      case "hold":
        return this.#hold(source, target);
      default:
        return decision satisfies never;
    }
  }

  #nothing(because: "equal" | "nothing-there" | "destination-newer", source: Reading, target: Reading): End {
    if (because === "nothing-there") return settled("SKIPPED", "SourceGone");
    if (because === "equal") return this.#equal(source);
    // Said of what is there, as in #yield.
    return this.#isBelieved(target) ? "look" : settled("SKIPPED", "SourceGone", { wants: this.#wantBack() });
  }

  #equal(source: Reading): Settlement {
    const origin = originOf(source);
    if (source.side.kind !== "object") return settled("SKIPPED", "SourceGone", { origin });
    return settled(source.holding?.isReplica ? "REPLICA" : "COMPLETED", null, { origin });
  }

  /** Both have it already: from now on both are known to have the same. */
  async #adopt(source: Reading, target: Reading): Promise<End> {
    if (source.side.kind === "absent" || target.side.kind === "absent" || source.holding === undefined || target.holding === undefined) {
      return this.#equal(source);
    }
    const content = common(source.side.content, target.side.content, this.#members);
    const holdings = [source.holding, target.holding].map((holding) => ({ ...holding, content }));
    await this.#conflictEnded(null);
    const isDelete = source.side.kind === "deleted";
    const replica = source.side.kind === "object" && target.side.kind === "object" ? adopted(source.side.object, target.side.object) : null;
    return settled("COMPLETED", "Adopted", { operation: isDelete ? "delete" : "copy", replica, origin: content.origin, holdings });
  }

  async #copy(source: Reading, target: Reading, isConflict: boolean): Promise<End> {
    const side = source.side as ObjectSide;
    const early = this.#tooEarly(side.content, target);
    if (early !== undefined) return early;
    const content = isConflict ? this.#winning(side.content, target) : side.content;
    const stamp = this.#stamp(content, side.object.etag);
    const { etag, sizeBytes } = side.object;
    const intent = this.#intent(content, { etag, sizeBytes, stamp }, sizeBytes);
    return this.#writing(intent, target, async () => {
      const { state } = source;
      const result = await this.#parts.transfer.copy({
        source: this.#aim.rule.source,
        key: this.#task.key,
        hint: { etag, sizeBytes, lastModified: state?.lastModified, storageClass: state?.storageClass ?? "STANDARD" },
        destinations: [this.#destination(target, stamp)],
        signal: this.#options.signal,
      });
      if (result.kind === "failed") {
        this.#sourceFailed = true;
        await this.#parts.holdings.withdraw(intent.id);
        throw result.error;
      }
      const outcome = result.kind === "done" ? result.outcomes[0] : undefined;
      if (outcome?.kind === "failed") throw await this.#broken(intent, outcome.error);
      if (outcome?.kind !== "copied" || result.kind !== "done") {
        await this.#parts.holdings.withdraw(intent.id);
        return { end: "look" };
      }
      const end = await this.#copied({ source, target, content, intent, outcome, read: result.source, isConflict });
      return { end, announced: { kind: "created", etag: outcome.etag, versionId: outcome.versionId } };
    });
  }

  /** Announces a write and makes it. The key is let go of at once where nothing was written, else when the outcome is recorded. */
  async #writing(intent: Intent, target: Reading, write: () => Promise<Written>): Promise<End> {
    const open = await this.#parts.ownWrites.begin(intent.bucket, intent.key, WRITE_WAITS_MS);
    if (open === undefined) throw new ReplicationError("BeingWritten", `${intent.key} is being written`, { retryAfterMs: WRITE_WAITS_MS });
    let written: Written = { end: "again" };
    try {
      if (await this.#announce(intent, target)) written = await write();
      // Where that fails they stay, and the next write tries again: this one is made, and has to be recorded.
      if (typeof written.end !== "string" && target.hasIntents) await this.#forgetOvertaken(intent).catch(() => undefined);
    } finally {
      if (typeof written.end === "string") open.ended();
    }
    const { end, announced } = written;
    return typeof end === "string" ? end : { ...end, onRecorded: () => open.ended(announced) };
  }

  /**
   * Closes what earlier attempts left announced: their conditions cannot hold any more, and a client that brings an old version back must not
   * be taken for them. Where conditions are not honoured one may still land, and is kept to be recognised by (invariant 10).
   */
  async #forgetOvertaken({ id, bucket, key, content }: Intent): Promise<void> {
    const { holdings, clock } = this.#parts;
    const can = await this.#storeOf(this.#aim.destination.bucket).capabilities(this.#options.signal);
    const { intents } = await holdings.known(bucket, key);
    for (const other of intents) {
      const isConditional = other.expected === null ? can.conditionalDelete : can.conditionalPut;
      const isOver = other.id !== id && other.expiresAt <= clock.now() && compareContents(other.content, content) !== "newer";
      if (isConditional && isOver) await holdings.withdraw(other.id);
    }
  }

  /** What went without a word may have been deleted, and the event be on its way: it is put back a while later (invariant 4). */
  #tooEarly(content: Content, { side, holding }: Reading): Settlement | undefined {
    if (side.kind !== "absent" || holding === undefined || this.#task.lane === "backfill") return undefined;
    if (compareContents(content, holding.content) === "newer") return undefined;
    const { rule, destination } = this.#aim;
    const notBefore = this.#parts.clock.now() + RESTORE_AFTER_MS;
    const want: Want = { route: toRoute(rule, destination), key: this.#task.key, lane: "backfill", eventTime: null, notBefore };
    return settled("SKIPPED", "LostAtDestination", { origin: content.origin, wants: [want] });
  }

  async #copied(copy: {
    source: Reading;
    target: Reading;
    content: Content;
    intent: Intent;
    outcome: TransferOutcome & { kind: "copied" };
    read: TransferredSource;
    isConflict: boolean;
  }): Promise<Settled> {
    const { source, target, content, intent, outcome, read, isConflict } = copy;
    const { etag, versionId = null } = outcome;
    const tags = read.attributes?.tags;
    const object: HeldObject = {
      etag,
      versionId,
      sizeBytes: read.sizeBytes,
      lastModified: null,
      tagsHash: tags === undefined ? null : hashTags(tags),
      attributesHash: source.side.kind === "object" ? source.side.object.attributesHash : null,
      isStamped: intent.expected?.stamp != null && !outcome.notes.includes("StampNotKept"),
    };
    const replica = this.#held(target, object, content);
    const holdings = [replica, ...(isConflict ? alsoWon(source, content) : withTags(source, object.tagsHash))];
    await this.#conflictEnded(isConflict ? { source, target, winner: this.#aim.rule.source.id } : null);
    return settled("COMPLETED", null, {
      notes: outcome.notes,
      replica: {
        etag: read.etag,
        versionId: read.versionId ?? null,
        lastModified: read.lastModified,
        attributeHash: attributeHash(read.attributes),
        bytes: read.sizeBytes,
        proof: outcome.proof,
        destinationEtag: etag,
        destinationVersionId: versionId,
      },
      origin: content.origin,
      holdings,
      closes: intent.id,
      wants: isConflict ? this.#wantEverywhere(this.#aim.rule.source.id) : [],
    });
  }

  async #delete(source: Reading, target: Reading, isConflict: boolean): Promise<End> {
    const { rule, destination } = this.#aim;
    this.#operation = "delete";
    const side = source.side as Side & { kind: "deleted" };
    const { origin } = side.content;
    if (rule.deletes === "none") return settled("SKIPPED", "DeletesNotReplicated", { operation: "delete", origin });
    if (side.content.isExpiration === true && !rule.expirations) return settled("SKIPPED", "Expired", { operation: "delete", origin });
    if (rule.deletes === "markers" && !source.isMarker) return settled("SKIPPED", "NoDeleteMarker", { operation: "delete", origin });
    if (target.holding === undefined || target.side.kind !== "object")
      return settled("SKIPPED", "NotOurs", { operation: "delete", origin });
    const row = this.#row ?? (await this.#readRow());
    // The event of a delete of ours tells of no other delete.
    const told = source.holding?.isReplica === true ? { ...this.#task, changes: undefined } : this.#task;
    if (isRejected(row, told) || (await this.#isRejectedOf(row, told)))
      return settled("SKIPPED", "DeleteRejected", { operation: "delete", origin });
    const route = toRoute(rule, destination);
    if (!(await this.#parts.gates.passes(route, { approved: this.#task.changes?.approved }))) {
      return settled("HELD", "DeleteGate", { operation: "delete", origin });
    }
    const content = isConflict ? this.#winning(side.content, target) : side.content;
    const intent = this.#intent(content, null, 0);
    const { object } = target.side;
    return this.#writing(intent, target, async () => {
      const deleted = await this.#deleted(object, intent);
      if (deleted.kind === "moved-on") return { end: "look" };
      const holdings = [this.#held(target, null, content), ...(isConflict ? alsoWon(source, content) : [])];
      await this.#conflictEnded(isConflict ? { source, target, winner: rule.source.id } : null);
      const wants = isConflict ? this.#wantEverywhere(rule.source.id) : [];
      const end = settled("COMPLETED", null, { operation: "delete", origin, holdings, closes: intent.id, wants });
      if (deleted.kind === "absent") return { end };
      return { end, announced: { kind: "deleted", versionId: deleted.versionId ?? undefined } };
    });
  }

  async #deleted({ etag, versionId }: HeldObject, intent: Intent) {
    const { rule, destination } = this.#aim;
    const store = this.#storeOf(destination.bucket);
    try {
      const end = await deleteObject({ store, key: this.#key, etag, versionId, rule, hasOtherWriters: true, signal: this.#options.signal });
      if (end.kind === "moved-on") await this.#parts.holdings.withdraw(intent.id);
      return end;
    } catch (error) {
      throw await this.#broken(intent, toReplicationError(error));
    }
  }

  /** Tags or ACL changed alone: no bytes move, and the event that it makes is our own. */
  async #retag(source: Reading, target: Reading): Promise<End> {
    const { rule } = this.#aim;
    this.#operation = "attributes";
    const { object, content } = source.side as ObjectSide;
    const { object: replica } = target.side as ObjectSide;
    const origin = content.origin;
    if (!rule.preserve.tags && !rule.preserve.acl) return settled("SKIPPED", "TagsNotPreserved", { operation: "attributes", origin });
    const intent = this.#intent(content, { etag: replica.etag, sizeBytes: replica.sizeBytes, stamp: null }, 0);
    return this.#writing(intent, target, async () => {
      const given = await this.#giveAttributes(object, replica).catch(async (error: unknown) => {
        throw await this.#broken(intent, toReplicationError(error));
      });
      const merged = descendingFrom(content, (target.side as ObjectSide).content);
      const holdings = [this.#held(target, given.held, merged), ...alsoWon(source, merged)];
      const about = { operation: "attributes", replica: adopted(object, replica), origin, holdings, closes: intent.id } as const;
      const end = settled("COMPLETED", null, about);
      return given.isWritten ? { end, announced: { kind: "attributes" } } : { end };
    });
  }

  /** What differs of tags and ACL, and no more: what changes nothing makes no event that calls the other direction. */
  async #giveAttributes(object: HeldObject, replica: HeldObject): Promise<Given> {
    const { rule, destination } = this.#aim;
    const { signal } = this.#options;
    const tags = rule.preserve.tags && object.tagsHash !== replica.tagsHash ? await this.#copyTags() : undefined;
    const canCompare = this.#comparesAcls && object.acl !== undefined && replica.acl !== undefined;
    const there = { store: this.#storeOf(destination.bucket), key: this.#key, acl: replica.acl ?? "private" };
    const acl = canCompare ? await carryAcl({ acl: object.acl ?? "private", replica: there, signal }) : undefined;
    const tagsHash = tags === undefined ? replica.tagsHash : hashTags(tags);
    this.#acl = acl;
    return {
      held: { ...replica, tagsHash, acl: aclAfter(acl, { acl: object.acl, before: replica.acl }) },
      isWritten: tags !== undefined || acl === "changed" || acl === "closed",
    };
  }

  async #copyTags(): Promise<Readonly<Record<string, string>>> {
    const { rule, destination } = this.#aim;
    const { signal } = this.#options;
    const tags = await this.#storeOf(rule.source).tags(this.#task.key, { signal });
    await this.#storeOf(destination.bucket).putTags(this.#key, tags, { signal });
    return tags;
  }

  /** What is there came later, or won: the other direction carries it, where there is one. */
  async #yield(source: Reading, target: Reading, isConflict: boolean): Promise<End> {
    const origin = originOf(source);
    const wants = this.#wantBack();
    // Said of what is there, not of what is believed: two directions that each believe the other to be ahead would call each other for ever.
    if (this.#isBelieved(target)) return "look";
    const end = settled(source.holding?.isReplica ? "REPLICA" : "SKIPPED", "DestinationNewer", { origin, wants });
    if (!isConflict || target.side.kind === "absent" || target.holding === undefined || source.side.kind === "absent") return end;
    await this.#conflictEnded({ source, target, winner: this.#aim.destination.bucket.id });
    const content = descendingFrom(target.side.content, source.side.content);
    return { ...end, holdings: [{ ...target.holding, content }], wants: this.#wantEverywhere(this.#aim.destination.bucket.id) };
  }

  #isBelieved({ state }: Reading): boolean {
    return state === undefined && !this.#options.mustLook;
  }

  async #hold(source: Reading, target: Reading): Promise<End> {
    if (target.state === undefined && !target.isMarker && !this.#options.mustLook) return "look";
    await this.#parts.safeguards.saveConflict(this.#conflict(source, target, null));
    const origin = originOf(source);
    return settled("HELD", "Conflict", { origin });
  }

  /** The content of a conflict's winner descends from both from now on, at every member that has it. */
  #winning(content: Content, target: Reading): Content {
    if (target.side.kind === "absent") return content;
    return descendingFrom(content, target.side.content);
  }

  async #conflictEnded(won: { source: Reading; target: Reading; winner: string } | null): Promise<void> {
    const { safeguards, clock } = this.#parts;
    if (won !== null) return safeguards.saveConflict(this.#conflict(won.source, won.target, won.winner));
    if (this.#open !== undefined) await safeguards.saveConflict({ ...this.#open, resolvedAt: clock.now() });
  }

  /** What a person was asked about this key and has not answered. */
  async #openConflict(): Promise<Conflict | undefined> {
    const conflict = await this.#parts.safeguards.conflict(this.#conflictId);
    return conflict?.resolvedAt === null ? conflict : undefined;
  }

  get #conflictId(): string {
    const buckets = [this.#aim.rule.source.id, this.#aim.destination.bucket.id].sort();
    return placeOf(this.#aim.rule.id, JSON.stringify([...buckets, this.#task.key]));
  }

  #conflict(source: Reading, target: Reading, winner: string | null): Conflict {
    const { rule, destination } = this.#aim;
    const now = this.#parts.clock.now();
    return {
      id: this.#conflictId,
      rule: rule.id,
      key: this.#task.key,
      sides: [toConflictSide(rule.source.id, this.#task.key, source.side), toConflictSide(destination.bucket.id, this.#key, target.side)],
      winner,
      resolvedBy: winner === null || rule.conflict === "hold" ? null : rule.conflict,
      detectedAt: now,
      resolvedAt: winner === null ? null : now,
    };
  }

  get #members(): readonly string[] {
    return this.#aim.rule.mesh ?? [this.#aim.rule.source.id, this.#aim.destination.bucket.id];
  }

  #destination(target: Reading, stamp: string | null): TransferDestination {
    const { rule, destination } = this.#aim;
    const { bucket, storageClass, encryption } = destination;
    const held = target.side.kind === "object" ? target.side.object.etag : null;
    // Some stores take a delete marker for an object when asked for "nothing there": after one refusal it is written over what was seen.
    const ifHolds = target.isMarker && this.#options.wasRefused ? undefined : held;
    return { bucket, key: this.#key, storageClass, encryption, preserve: rule.preserve, ifHolds, stamp };
  }

  #stamp(content: Content, sourceEtag: string): string | null {
    const { rule, destination } = this.#aim;
    return rule.stamp === "never" ? null : stampOf(content, { place: placeOf(destination.bucket.id, this.#key), sourceEtag });
  }

  /** What is there after a write of ours, whose announcement raised the revision. */
  #held({ revision }: Reading, object: HeldObject | null, content: Content): Holding {
    return { bucket: this.#aim.destination.bucket.id, key: this.#key, object, content, isReplica: true, revision: revision + 1 };
  }

  #intent(content: Content, expected: Intent["expected"], sizeBytes: number): Intent {
    const { newId, clock } = this.#parts;
    const expiresAt = clock.now() + INTENT_MS + Math.ceil(sizeBytes / INTENT_BYTES_PER_MS);
    return { id: newId(), bucket: this.#aim.destination.bucket.id, key: this.#key, expected, content, expiresAt };
  }

  #announce(intent: Intent, { revision }: Reading): Promise<boolean> {
    return this.#parts.holdings.announce(intent, revision, this.#parts.clock.now());
  }

  /** The write may have happened: its intent stays, to be recognised by, but nobody waits for it any more. */
  async #broken(intent: Intent, error: ReplicationError): Promise<ReplicationError> {
    if (isRefusal(error)) await this.#parts.holdings.withdraw(intent.id);
    else await this.#parts.holdings.abandon(intent.id, this.#parts.clock.now());
    return error;
  }

  /** Whoever won a conflict is brought to every other member: what they were told meanwhile may be the loser's. */
  #wantEverywhere(winner: string): readonly Want[] {
    const { rule, destination } = this.#aim;
    const isDone = (id: string) => id === winner || (winner === rule.source.id && id === destination.bucket.id);
    return (rule.mesh ?? []).filter((id) => !isDone(id)).flatMap((id) => this.#wantFrom(winner, id));
  }

  #wantBack(): readonly Want[] {
    const { rule, destination } = this.#aim;
    return rule.mesh === undefined ? [] : this.#wantFrom(destination.bucket.id, rule.source.id);
  }

  #wantFrom(source: string, destination: string): readonly Want[] {
    const leg = this.#parts.rules.legOf(this.#aim.rule.id, source, destination);
    if (leg === undefined || !leg.rule.enabled) return [];
    const lane: Lane = this.#task.lane;
    return [{ route: toRoute(leg.rule, leg.destination), key: this.#task.key, lane, eventTime: this.#task.eventTime }];
  }

  #storeOf(bucket: Bucket): ObjectStore {
    return this.#parts.storeOf(bucket);
  }
}

function originOf({ side }: Reading): string | null {
  return side.kind === "absent" ? null : side.content.origin;
}

/** The tags that were copied are the source's: only then is a later change of them seen as one. */
function withTags({ holding }: Reading, tagsHash: string | null): readonly Holding[] {
  const object = holding?.object ?? null;
  if (holding === undefined || object === null || tagsHash === null || object.tagsHash === tagsHash) return [];
  return [{ ...holding, object: { ...object, tagsHash } }];
}

/** The source's side of a conflict that it won: it descends from both from now on. */
function alsoWon({ holding }: Reading, content: Content): readonly Holding[] {
  return holding === undefined ? [] : [{ ...holding, content }];
}

/** Of two names for one content the one that every machine would take, descending from both. */
function common(a: Content, b: Content, members: readonly string[]): Content {
  const order = compareContents(a, b);
  const chosen = order === "newer" || (order !== "older" && compareForNewest(a, b, members) >= 0) ? a : b;
  return descendingFrom(chosen, chosen === a ? b : a);
}

function adopted(source: HeldObject, replica: HeldObject): ReplicaRecord {
  return {
    etag: source.etag,
    versionId: source.versionId,
    lastModified: source.lastModified ?? 0,
    attributeHash: null,
    bytes: source.sizeBytes,
    proof: source.etag === replica.etag ? "etag" : null,
    destinationEtag: replica.etag,
    destinationVersionId: replica.versionId,
  };
}

function toConflictSide(bucket: string, key: string, side: Side): ConflictSide {
  if (side.kind === "absent") return { bucket, key, object: null, origin: bucket, originTime: 0 };
  const { origin, originTime } = side.content;
  return { bucket, key, object: side.kind === "object" ? side.object : null, origin, originTime };
}

/** Whether the store said no: then nothing was written. */
function isRefusal({ disposition, code }: ReplicationError): boolean {
  // What a destination lacks is seen in its answer, when the object is there already.
  if (code === "CapabilityMissing") return false;
  return disposition === "permanent" || code === "SlowDown" || code === "BadDigest";
}
