import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { type Content, clientContent } from "../domain/holding.ts";
import type { ObjectState } from "../domain/object.ts";
import { destinationKey } from "../domain/rule.ts";
import { stampOf } from "../domain/stamp.ts";
import type { LedgerEntry, Operation } from "../domain/status.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { LeasedTask, Ledger, Route } from "../ports/state.ts";
import type { Transfer } from "../ports/transfer.ts";
import { isAsRecorded, isRecorded, mayBeThere } from "./already-there.ts";
import { carryGuards, notesAfter } from "./carried-guards.ts";
import {
  announcedOperation,
  type DeleteEvidence,
  evidenceOf,
  isUnreplicatedExpiration,
  mayBeDeleteOf,
  type ToldDelete,
  toldBefore,
} from "./delete-evidence.ts";
import type { DeleteGates } from "./delete-gates.ts";
import { deleteObject } from "./delete-object.ts";
import { toRoute } from "./diff.ts";
import { filterVerdict } from "./filter-verdict.ts";
import type { KeyReader } from "./interior/key-reader.ts";
import { transitBars } from "./interior/transit.ts";
import { placeOf } from "./place.ts";
import { type Aim, replicate, toReplica } from "./replicate.ts";
import type { RuleIndex } from "./rule-index.ts";
import { type Assignment, failed, isRejected, type Settlement, settled, standingReason } from "./settlement.ts";

export interface ChangeLeafParts {
  readonly transfer: Transfer;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly ledger: Ledger;
  readonly rules: RuleIndex;
  readonly reader: KeyReader;
  readonly gates: DeleteGates;
  readonly now: () => number;
}

/** What is at the source, where it matters how it came there or why it is gone. */
type Source =
  | { readonly kind: "object"; readonly state: ObjectState; readonly content: Content | undefined }
  | {
      readonly kind: "deleted";
      readonly isMarker: boolean;
      readonly origin: string;
      /** When, by the source's clock, where events alone tell of it. */
      readonly at?: number | undefined;
    }
  | { readonly kind: "absent" };

/** How often a source that changes under our hands is read again. */
const ROUNDS = 4;

/**
 * Brings one change to a leaf that the quick way cannot: a delete, which needs evidence (invariant 4); a change of tags alone, which moves no
 * bytes; whatever comes from an interior bucket, which may be a replica that goes no further (invariant 6).
 */
export async function changeLeaf(parts: ChangeLeafParts, assignment: Assignment): Promise<Settlement> {
  for (let round = 1; ; round++) {
    const change = new LeafChange(parts, assignment);
    const end = await change.run().catch((error: unknown) => failed(error, change));
    // The source is not what was decided on: it may even be a replica now (invariant 6).
    const movedOn = end.kind === "failed" && end.error.code === "PreconditionFailed";
    if (!movedOn || round === ROUNDS) return end;
  }
}

class LeafChange {
  readonly #parts: ChangeLeafParts;
  readonly #task: LeasedTask;
  readonly #aim: Aim;
  readonly #signal: AbortSignal | undefined;
  readonly #key: string;
  readonly #route: Route;
  /** What is being tried. */
  operation: Operation;
  /** See {@link Failed}. */
  standing: string | undefined;
  /** What was told of a delete that nobody could look after yet: a row that fails keeps it, or nothing would (invariant 1). */
  #told: ToldDelete | undefined;

  constructor(parts: ChangeLeafParts, { task, aim, signal }: Assignment) {
    this.#parts = parts;
    this.#task = task;
    this.#aim = aim;
    this.#signal = signal;
    this.operation = announcedOperation(task, aim.rule);
    this.#told = this.operation === "delete" ? "DeleteAnnounced" : isUnreplicatedExpiration(task, aim.rule) ? "Expired" : undefined;
    this.#key = destinationKey(aim.destination, task.key);
    this.#route = toRoute(aim.rule, aim.destination);
  }

  get notes(): readonly string[] {
    return this.#told === undefined ? [] : [this.#told];
  }

  async run(): Promise<Settlement> {
    // Before the source: what another worker replicates after a look at it must not be taken for what that look says is deleted.
    const row = await this.#parts.ledger.get(this.#route, this.#task.key);
    this.standing = standingReason(row);
    this.#told ??= toldBefore(row, this.#task);
    const source = await this.#source();
    if (source.kind === "settled" || source.kind === "failed") return source;
    if (source.kind === "absent") return this.#absent(row);
    if (source.kind === "deleted")
      return mayBeDeleteOf(row?.replica?.lastModified, source.at) ? this.#delete(source, row) : this.#absent(row);
    this.operation = "copy";
    this.#told = undefined;
    const { rule } = this.#aim;
    const origin = source.content?.origin ?? rule.source.id;
    if (!(await filterVerdict(rule, source.state, { store: this.#store(rule.source), signal: this.#signal })))
      return settled("SKIPPED", "FilteredOut", { origin });
    if (this.#isThere(source.state, row)) return settled("COMPLETED", null, { origin, notes: row?.notes ?? [] });
    if (await this.#isAsRecorded(source.state, row)) return settled("COMPLETED", null, { origin, notes: row?.notes ?? [] });
    return (await this.#retag(source.state, row, origin)) ?? this.#copy(source, origin);
  }

  /** It was wished for once more while its copy was under way. */
  async #isAsRecorded(state: ObjectState, row: LedgerEntry | undefined): Promise<boolean> {
    if (!mayBeThere(this.#task) || !isRecorded(this.#task, row)) return false;
    return isAsRecorded(row, state, await this.#store(this.#aim.destination.bucket).head(this.#key, { signal: this.#signal }));
  }

  async #source(): Promise<Source | Settlement> {
    const { rule } = this.#aim;
    const evidence = evidenceOf(this.#task, this.#parts.now());
    if (this.#parts.rules.isInterior(rule.source.id)) return this.#interiorSource(evidence);
    const observation = await this.#store(rule.source).observe(this.#task.key, { signal: this.#signal });
    if (observation.kind === "object") return { kind: "object", state: observation.state, content: undefined };
    // A marker is read at the source itself; an absence alone says nothing (invariant 4).
    if (observation.kind === "marker") return { kind: "deleted", isMarker: true, origin: rule.source.id };
    return evidence.announced || this.#told === "DeleteAnnounced"
      ? { kind: "deleted", isMarker: false, origin: rule.source.id, at: evidence.deletedAt }
      : { kind: "absent" };
  }

  async #interiorSource(evidence: DeleteEvidence): Promise<Source | Settlement> {
    const { rule } = this.#aim;
    const reading = await this.#parts.reader.read(rule.source, this.#task.key, { evidence, withTags: false, signal: this.#signal });
    if (reading === undefined) throw new ReplicationError("PreconditionFailed", `${this.#task.key} changed while it was read`);
    const { side, state, isMarker } = reading;
    if (side.kind === "absent") return { kind: "absent" };
    const barred = transitBars(rule, reading.holding);
    if (barred !== undefined) return barred;
    if (side.kind === "object" && state !== undefined) return { kind: "object", state, content: side.content };
    return { kind: "deleted", isMarker, origin: side.content.origin };
  }

  /** Nothing tells of a delete now; one that is held for a person stays held. */
  #absent(row: LedgerEntry | undefined): Settlement {
    if (row?.reason === "DeleteGate") return settled("HELD", "DeleteGate", { operation: "delete" });
    if (row?.reason === "NotOurs" || row?.reason === "DeleteRejected") return settled("SKIPPED", row.reason, { operation: "delete" });
    return settled("SKIPPED", "SourceGone");
  }

  /**
   * The object is what was replicated, and nothing says that it was written: an old version went, or a listing hides the key. The live
   * replica stays as it is.
   */
  #isThere(state: ObjectState, row: LedgerEntry | undefined): boolean {
    const { changes } = this.#task;
    const replica = row?.replica ?? null;
    if (changes?.written === true && changes.deleted !== true) return false;
    if (changes?.attributes === true || replica === null || replica.etag !== state.etag) return false;
    return replica.lastModified === 0 || replica.lastModified === state.lastModified;
  }

  async #delete({ isMarker, origin }: Source & { kind: "deleted" }, row: LedgerEntry | undefined): Promise<Settlement> {
    const { rule, destination } = this.#aim;
    this.operation = "delete";
    const about = { operation: "delete", origin } as const;
    if (rule.deletes === "none") return settled("SKIPPED", "DeletesNotReplicated", about);
    if (!rule.expirations && this.#isExpiration(row)) return settled("SKIPPED", "Expired", about);
    if (rule.deletes === "markers" && !isMarker) return settled("SKIPPED", "NoDeleteMarker", about);
    if (isRejected(row, this.#task)) return settled("SKIPPED", "DeleteRejected", about);
    const replica = row?.replica ?? null;
    if (replica === null) return this.#unknownThere(about);
    if (!(await this.#parts.gates.passes(this.#route, { approved: this.#task.changes?.approved })))
      return settled("HELD", "DeleteGate", about);
    const end = await deleteObject({
      store: this.#store(destination.bucket),
      key: this.#key,
      etag: replica.destinationEtag,
      versionId: replica.destinationVersionId,
      rule,
      hasOtherWriters: false,
      signal: this.#signal,
    });
    return end.kind === "moved-on" ? settled("SKIPPED", "NotOurs", about) : settled("COMPLETED", null, about);
  }

  /** A lifecycle's delete, by its event or by the row that its event left; a client's delete after it has an event of its own. */
  #isExpiration(row: LedgerEntry | undefined): boolean {
    const { changes } = this.#task;
    return changes?.deleted === true ? changes.expired === true : row?.reason === "Expired" || this.#told === "Expired";
  }

  /** Without a row that says we put it there nothing is removed (invariant 4); what is not there is deleted already. */
  async #unknownThere(about: { readonly operation: "delete"; readonly origin: string }): Promise<Settlement> {
    const { kind } = await this.#store(this.#aim.destination.bucket).observe(this.#key, { signal: this.#signal });
    return kind === "object" ? settled("SKIPPED", "NotOurs", about) : settled("COMPLETED", null, about);
  }

  /** Tags, ACL or lock changed alone: they are given to the replica where it is the one we made; undefined where the object has to be copied. */
  async #retag(state: ObjectState, row: LedgerEntry | undefined, origin: string): Promise<Settlement | undefined> {
    const { rule, destination } = this.#aim;
    const { changes } = this.#task;
    const replica = row?.replica ?? null;
    if (changes?.attributes !== true || changes.written === true || replica === null || replica.etag !== state.etag) return undefined;
    if (replica.lastModified !== 0 && replica.lastModified !== state.lastModified) return undefined;
    const about = { operation: "attributes", origin } as const;
    const { preserve } = rule;
    if (!preserve.tags && !preserve.acl && !preserve.objectLock) return settled("SKIPPED", "TagsNotPreserved", about);
    const there = await this.#store(destination.bucket).observe(this.#key, { signal: this.#signal });
    if (there.kind !== "object" || there.state.etag !== replica.destinationEtag) return undefined;
    if (preserve.tags) {
      const tags = await this.#store(rule.source).tags(this.#task.key, { signal: this.#signal });
      await this.#store(destination.bucket).putTags(this.#key, tags, { signal: this.#signal });
    }
    const source = { store: this.#store(rule.source), state };
    const at = { store: this.#store(destination.bucket), state: there.state };
    const carried = await carryGuards({ source, replica: at, preserve, now: this.#parts.now(), signal: this.#signal });
    const isMeant = preserve.tags || carried.acl !== undefined || (carried.lock ?? "same") !== "same";
    if (!isMeant) return settled("SKIPPED", "TagsNotPreserved", about);
    return settled("COMPLETED", null, { ...about, notes: notesAfter(row?.notes ?? [], carried) });
  }

  async #copy({ state, content }: Source & { kind: "object" }, origin: string): Promise<Settlement> {
    const { etag, sizeBytes, lastModified, storageClass = "STANDARD" } = state;
    const hint = { etag, sizeBytes, lastModified, storageClass };
    const stamp = this.#stamp(state, content);
    const [outcome] = await replicate(this.#parts.transfer, {
      key: this.#task.key,
      aims: [this.#aim],
      hint,
      isPinned: true,
      stamp,
      signal: this.#signal,
    });
    if (outcome === undefined || outcome.kind === "failed") return failed(outcome?.error ?? new Error("no outcome"));
    if (outcome.kind === "skipped") return settled("SKIPPED", outcome.reason, { origin });
    const { notes } = outcome;
    return settled("COMPLETED", null, { notes, replica: toReplica(outcome), origin });
  }

  /** What came to an interior bucket with our stamp goes on without it. */
  #stamp({ etag, lastModified }: ObjectState, content: Content | undefined): string | null | undefined {
    const { rule, destination } = this.#aim;
    const origin = clientContent({ bucket: rule.source.id, at: lastModified, etag });
    if (rule.stamp === "always") {
      return stampOf(content ?? origin, { place: placeOf(destination.bucket.id, this.#key), sourceEtag: etag });
    }
    return content === undefined ? undefined : null;
  }

  #store(bucket: Bucket): ObjectStore {
    return this.#parts.storeOf(bucket);
  }
}
