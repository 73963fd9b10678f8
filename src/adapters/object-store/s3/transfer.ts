import type { Bucket } from "../../../domain/bucket.ts";
import { ReplicationError, toReplicationError } from "../../../domain/error.ts";
import { type Hint, isMultipartEtag, type ObjectLock, type ObjectState } from "../../../domain/object.ts";
import { Semaphore } from "../../../lib/semaphore.ts";
import type {
  LeftUploads,
  Transfer,
  TransferOutcome,
  TransferRequest,
  TransferResult,
  TransferredSource,
} from "../../../ports/transfer.ts";
import type { Uploads } from "../../../ports/uploads.ts";
import { type AbortUpload, type UploadSlot, UploadSlots } from "../upload-slots.ts";
import type { SourceAcl } from "./acl.ts";
import { BucketFacts } from "./bucket-facts.ts";
import { copyInParts, type PartsCopy } from "./copy-parts.ts";
import { isAbsence, openSource, type RelayedCopy, relayToAll, sourceMovedOn } from "./copy-relayed.ts";
import { copyServerSide, failedOutcome } from "./copy-server-side.ts";
import { putSmall } from "./copy-streamed.ts";
import { toStoreError } from "./errors.ts";
import { toObjectState } from "./headers.ts";
import { holding } from "./holding.ts";
import { KeyAlphabet } from "./key-alphabet.ts";
import { abortUpload } from "./left-upload.ts";
import type { S3ObjectStore } from "./object-store.ts";
import type { Relay } from "./relay.ts";
import type { SourceGuards } from "./replica-guards.ts";
import { type ReplicaContent, ReplicaWrite, type WriteStep, withStamp } from "./replica-write.ts";

/** The edges between the ways a body can travel; tests shrink them. */
export interface TransferLimits {
  /** Bodies of this size and more go from socket to socket. */
  readonly relayFromBytes: number;
  /** The most that one PutObject or CopyObject may carry. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
  readonly maxSingleBytes: number;
  /** Large bodies under way at a time: more only make each slower, and memory follows. */
  readonly largeInFlight: number;
}

export const DEFAULT_TRANSFER_LIMITS: TransferLimits = { relayFromBytes: 1024 ** 2, maxSingleBytes: 5 * 1024 ** 3, largeInFlight: 4 };

export interface S3TransferOptions {
  readonly storeOf: (bucket: Bucket) => S3ObjectStore;
  /** Made when the first large body comes. */
  readonly relay: () => Relay;
  readonly limits?: Partial<TransferLimits> | undefined;
  /** Lets so many bytes pass; absent: all. A body waits for its turn whole, so the limit is one of the average. */
  readonly bandwidth?: { take(bytes: number): Promise<void> } | undefined;
  /** Where uploads in parts are bound, so that a copy that was broken off is gone on with. Absent: it starts over. */
  readonly uploads?: Uploads | undefined;
}

/** Moves objects between S3 stores in the way that costs least: a server-side copy, one GET and PUTs, a relay, or parts. */
export class S3Transfer implements Transfer {
  readonly #options: S3TransferOptions;
  readonly #limits: TransferLimits;
  readonly #facts = new Map<string, BucketFacts>();
  readonly #alphabets = new Map<string, KeyAlphabet>();
  readonly #large: Semaphore;
  readonly #slots: UploadSlots | undefined;

  constructor(options: S3TransferOptions) {
    this.#options = options;
    const abort: AbortUpload = ({ destinationKey: key, uploadId }, bucket) =>
      abortUpload({ store: options.storeOf(bucket), key, uploadId });
    this.#slots = options.uploads && new UploadSlots(options.uploads, abort);
    this.#limits = { ...DEFAULT_TRANSFER_LIMITS, ...options.limits };
    this.#large = new Semaphore(this.#limits.largeInFlight);
  }

  async copy(request: TransferRequest): Promise<TransferResult> {
    try {
      const result = await new Copy(this.#parts(request), request).run();
      const dropped = this.#slots?.dropAfter(request, result);
      if (dropped !== undefined) await dropped;
      return result;
    } catch (error) {
      return { kind: "failed", error: toReplicationError(error) };
    }
  }

  async sweep(left: LeftUploads): Promise<number> {
    return (await this.#slots?.sweep(left)) ?? 0;
  }

  #parts(request: TransferRequest): CopyParts {
    return {
      source: this.#factsOf(request.source),
      writes: request.destinations.map((destination, index) => new ReplicaWrite(index, destination, this.#factsOf(destination.bucket))),
      alphabetOf: (bucket) => this.#alphabetOf(bucket),
      relay: this.#options.relay,
      limits: this.#limits,
      large: this.#large,
      bandwidth: this.#options.bandwidth,
      slots: this.#slots,
    };
  }

  #factsOf(bucket: Bucket): BucketFacts {
    const facts = this.#facts.get(bucket.id) ?? new BucketFacts(this.#options.storeOf(bucket));
    this.#facts.set(bucket.id, facts);
    return facts;
  }

  #alphabetOf(bucket: Bucket): KeyAlphabet {
    const alphabet = this.#alphabets.get(bucket.id) ?? new KeyAlphabet(this.#options.storeOf(bucket));
    this.#alphabets.set(bucket.id, alphabet);
    return alphabet;
  }
}

interface CopyParts {
  readonly source: BucketFacts;
  readonly writes: readonly ReplicaWrite[];
  readonly alphabetOf: (bucket: Bucket) => KeyAlphabet;
  readonly relay: () => Relay;
  readonly limits: TransferLimits;
  readonly large: Semaphore;
  readonly bandwidth: S3TransferOptions["bandwidth"];
  readonly slots: UploadSlots | undefined;
}

/** What is known of the source when the way is chosen. */
interface Known {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly lastModified: number;
  readonly storageClass: string | undefined;
  /** Undefined where only a hint is known. */
  readonly state: ObjectState | undefined;
}

type Outcomes = (TransferOutcome | undefined)[];
type SourceTrouble = Exclude<TransferResult, { kind: "done" }>;

/** One call of {@link S3Transfer.copy}. */
class Copy {
  readonly #parts: CopyParts;
  readonly #request: TransferRequest;
  readonly #outcomes: Outcomes;
  #state: ObjectState | undefined;
  #acl: Promise<SourceAcl> | undefined;
  /** As a HEAD told it: not every store's GET does. */
  #lock: ObjectLock | undefined;

  constructor(parts: CopyParts, request: TransferRequest) {
    this.#parts = parts;
    this.#request = request;
    this.#outcomes = parts.writes.map(() => undefined);
  }

  async run(): Promise<TransferResult> {
    await this.#refuseKeys();
    await this.#learn();
    let writes = this.#open();
    if (writes.length === 0) return this.#done(undefined);
    let known = await this.#know(writes);
    if ("kind" in known) return known;
    if (known.state !== undefined) known = { ...known, state: await this.#accept(known.state) };
    writes = this.#open();
    if (writes.length === 0) return this.#done(known);
    const trouble = this.#needsParts(known) ? await this.#inParts(known, writes) : await this.#whole(known, writes);
    if (trouble?.kind === "gone") return this.#confirmGone();
    return trouble ?? this.#done(known);
  }

  /** A 404 to a GET may come from anything on the way: only a HEAD that also finds the bucket is believed. */
  async #confirmGone(): Promise<SourceTrouble> {
    const { key, versionId, signal } = this.#request;
    return (await this.#parts.source.store.head(key, { versionId, signal })) === undefined ? { kind: "gone" } : { kind: "changed" };
  }

  /** Invariant 13: before any write, keys that a destination would rewrite, hide or refuse are failed by name. */
  async #refuseKeys(): Promise<void> {
    for (const write of this.#parts.writes) {
      const { bucket, key } = write.destination;
      const refusal = this.#parts.alphabetOf(bucket).refusal(key, this.#request.signal);
      const error = refusal instanceof Promise ? await refusal.catch(toReplicationError) : refusal;
      if (error !== undefined) this.#outcomes[write.index] = { kind: "failed", error };
    }
  }

  /** Finds out which conditions the destinations of conditional writes honour. */
  async #learn(): Promise<void> {
    const conditional = this.#open().filter((write) => write.isConditional);
    if (conditional.length === 0) return;
    await Promise.all(
      conditional.map(async (write) => {
        try {
          await write.learn(this.#request.signal);
        } catch (error) {
          this.#outcomes[write.index] = failedOutcome(error);
        }
      }),
    );
  }

  /** The destinations without an outcome yet. */
  #open(): readonly ReplicaWrite[] {
    return this.#parts.writes.filter((write) => this.#outcomes[write.index] === undefined);
  }

  /** Reads the source's state where the hint is not enough to choose a way; throws nothing away that a GET would tell anyway. */
  async #know(writes: readonly ReplicaWrite[]): Promise<Known | SourceTrouble> {
    const { hint, key, versionId, readFirst, signal } = this.#request;
    if (hint?.etag !== undefined && hint.sizeBytes !== undefined && isPlausible(hint) && !(await this.#mustHead(writes))) {
      const { etag, sizeBytes, lastModified = 0, storageClass } = hint;
      return { etag, sizeBytes, lastModified, storageClass: storageClass === "STANDARD" ? undefined : storageClass, state: undefined };
    }
    const state = await this.#parts.source.head(key, { versionId, signal });
    if (state === undefined) return { kind: "gone" };
    if (state.archived === true) await this.#checkReadable(state);
    const fromListing = hint?.storageClass !== undefined;
    if (fromListing && readFirst !== true && hint.etag !== undefined && hint.etag !== state.etag) return { kind: "changed" };
    this.#state = state;
    this.#lock = state.lock;
    return { etag: state.etag, sizeBytes: state.sizeBytes, lastModified: state.lastModified, storageClass: state.storageClass, state };
  }

  /**
   * Asks for a byte of an object that seems to be archived, before anything is begun for it. What stores call so may be readable all the same.
   * @throws `ArchivedObject`
   */
  async #checkReadable({ key, etag, sizeBytes }: ObjectState): Promise<void> {
    if (sizeBytes === 0) return;
    const { versionId, signal } = this.#request;
    const { store } = this.#parts.source;
    const query: Record<string, string> = versionId === undefined ? {} : { versionId };
    const headers = { "if-match": `"${etag}"`, range: "bytes=0-0" };
    await store.client.expect({ operation: "GetObject", method: "GET", bucket: store.bucket.bucket, key, query, headers, signal });
  }

  async #mustHead(writes: readonly ReplicaWrite[]): Promise<boolean> {
    const { hint, readFirst, accept } = this.#request;
    if (readFirst === true || isMultipartEtag(hint?.etag ?? "") || (hint?.sizeBytes ?? 0) > this.#parts.limits.maxSingleBytes) return true;
    const local = writes.filter((write) => this.#copiesServerSide(write));
    const keepsLocks = writes.some(({ destination }) => destination.preserve.objectLock);
    if (keepsLocks && (await this.#parts.source.hidesLocks(this.#request.signal))) return true;
    if (local.length === 0) return false; // the GET tells
    if (local.some(({ destination }) => destination.stamp !== undefined)) return true; // all metadata is sent with it
    if (accept !== undefined || (await this.#parts.source.headTells(this.#request.signal))) return true;
    const { copyKeepsHeaders, knowsStorageClasses } = this.#parts.source;
    if (!copyKeepsHeaders) return true; // what it loses must be sent along, and no listing tells of it (invariant 9)
    if (hint?.storageClass !== undefined) return false; // a listing's hint: all the store would carry by itself is known
    return knowsStorageClasses && local.some(keepsStorageClass);
  }

  /** Gives the destinations that do not want the object as it is their outcome. */
  async #accept(state: ObjectState): Promise<ObjectState> {
    const { accept, needTags, versionId, signal } = this.#request;
    if (accept === undefined) return state;
    const tags = needTags === true ? await this.#parts.source.tagsOf(state, { versionId, signal }) : state.attributes.tags;
    const full = { ...state, attributes: { ...state.attributes, tags } };
    accept(full).forEach((accepted, i) => {
      if (!accepted) this.#outcomes[i] ??= { kind: "not-accepted" };
    });
    return full;
  }

  #needsParts(known: Known): boolean {
    return isMultipartEtag(known.etag) || known.sizeBytes > this.#parts.limits.maxSingleBytes;
  }

  async #inParts(known: Known, writes: readonly ReplicaWrite[]): Promise<SourceTrouble | undefined> {
    const state = known.state as ObjectState;
    const content = await this.#content(state, writes);
    const sameStore = (write: ReplicaWrite): boolean => this.#isLocal(write);
    const slots = new Map(writes.map((write) => [write, this.#slotOf(write)]));
    const copy: PartsCopy = {
      ...this.#relayed(known),
      bandwidth: this.#parts.bandwidth,
      state,
      content,
      slotOf: (write) => slots.get(write),
    };
    const onOutcome = (write: ReplicaWrite, outcome: TransferOutcome): void => {
      slots.get(write)?.free();
      this.#settle(known, write, outcome);
    };
    try {
      await holding(this.#parts.large, (onSent) => copyInParts(copy, { writes, sameStore, onOutcome, onSent }));
    } finally {
      for (const slot of slots.values()) slot?.free();
    }
    return undefined;
  }

  #slotOf({ destination: { bucket, key: destinationKey } }: ReplicaWrite): UploadSlot | undefined {
    const { source, key } = this.#request;
    return this.#parts.slots?.take({ source: source.id, key, destination: bucket.id, destinationKey });
  }

  async #whole(known: Known, writes: readonly ReplicaWrite[]): Promise<SourceTrouble | undefined> {
    const local = writes.filter((write) => this.#copiesServerSide(write));
    const remote = writes.filter((write) => !this.#copiesServerSide(write));
    const [, trouble] = await Promise.all([
      local.length === 0 ? undefined : this.#serverSide(known, local),
      remote.length === 0 ? undefined : this.#streamed(known, remote),
    ]);
    if (trouble !== undefined || local.length === 0) return trouble;
    return this.#movedOnEverywhere(local, remote.length > 0);
  }

  async #serverSide(known: Known, writes: readonly ReplicaWrite[]): Promise<void> {
    const guards = await this.#guards(known.state, writes);
    const content = known.state && { attributes: known.state.attributes, storageClass: known.storageClass, guards };
    const { key, versionId, signal } = this.#request;
    const { etag, storageClass } = known;
    const source = { store: this.#parts.source.store, key, versionId, etag, storageClass, content, guards, signal };
    await this.#each(known, { writes, step: "conditionalCopy" }, (write) => copyServerSide(source, write));
  }

  /** Where every server-side copy says that the source is not what was expected, the source has moved on, or is gone. */
  async #movedOnEverywhere(writes: readonly ReplicaWrite[], readElsewhere: boolean): Promise<SourceTrouble | undefined> {
    const codes = writes.map((write) => {
      const outcome = this.#outcomes[write.index];
      return outcome?.kind === "failed" ? outcome.error.code : undefined;
    });
    if (!readElsewhere && codes.every((code) => code === "PreconditionFailed")) return { kind: "changed" };
    const missing = writes.filter((_, i) => codes[i] === "NoSuchKey" || codes[i] === "NoSuchVersion");
    // Where others got on or failed for reasons of their own, "no such key" is not the end of it: read again, decide again.
    if (readElsewhere || missing.length < writes.length) {
      for (const write of missing) this.#outcomes[write.index] = sourceMovedOn({ key: this.#request.key, source: this.#parts.source });
      return undefined;
    }
    return this.#confirmGone();
  }

  async #streamed(known: Known, writes: readonly ReplicaWrite[]): Promise<SourceTrouble | undefined> {
    await this.#parts.bandwidth?.take(known.sizeBytes);
    if (known.sizeBytes < this.#parts.limits.relayFromBytes) return this.#buffered(known, writes);
    return this.#relay(known, writes);
  }

  async #buffered(known: Known, writes: readonly ReplicaWrite[]): Promise<SourceTrouble | undefined> {
    const answer = await this.#getSmall(known.etag);
    if (!("bytes" in answer)) return answer;
    const state = known.state === undefined ? await this.#accept(answer.state) : answer.state;
    this.#state = state;
    const open = writes.filter((write) => this.#outcomes[write.index] === undefined);
    if (open.length === 0) return undefined;
    const readAgain = async () => {
      const again = await this.#getSmall(known.etag);
      return "bytes" in again ? again.bytes : undefined;
    };
    const content = await this.#content(state, open);
    const body = { source: this.#parts.source, state, content, bytes: answer.bytes, readAgain, signal: this.#request.signal };
    await this.#each(known, { writes: open, step: "conditionalPut" }, (write) => putSmall(body, write));
    return undefined;
  }

  async #getSmall(etag: string): Promise<{ readonly state: ObjectState; readonly bytes: Buffer } | SourceTrouble> {
    const { source, key, versionId, signal } = this.#request;
    const place = { operation: "GetObject", bucket: source.bucket, key };
    const query: Record<string, string> = versionId === undefined ? {} : { versionId };
    const headers: Record<string, string> = { "if-match": `"${etag}"` };
    if (this.#parts.source.asksChecksums) headers["x-amz-checksum-mode"] = "ENABLED";
    const answer = await this.#parts.source.store.client.send({ ...place, method: "GET", query, headers, signal });
    if (answer.status === 200) return { state: toObjectState(key, answer.headers), bytes: answer.body };
    const error = toStoreError(answer, place);
    if (this.#parts.source.refusedChecksums(error)) return this.#getSmall(etag);
    if (isAbsence(error)) return { kind: "gone" };
    return error.code === "PreconditionFailed" ? { kind: "changed" } : { kind: "failed", error };
  }

  /** Counts as under way until the body has been sent: a destination that does not answer then keeps no other object waiting. */
  #relay(known: Known, writes: readonly ReplicaWrite[]): Promise<SourceTrouble | undefined> {
    return holding(this.#parts.large, (onSent) => this.#relayHolding(known, writes, onSent));
  }

  async #relayHolding(known: Known, writes: readonly ReplicaWrite[], onSent: () => void): Promise<SourceTrouble | undefined> {
    const copy = this.#relayed(known);
    const opened = await openSource(copy);
    if (opened.kind !== "open") return opened;
    try {
      this.#state = known.state === undefined ? await this.#accept(opened.state) : opened.state;
      const open = await this.#mayGoAhead(known, writes);
      const onOutcome = (write: ReplicaWrite, outcome: TransferOutcome): void => this.#settle(known, write, outcome);
      if (open.length > 0) await relayToAll(copy, opened, { writes: open, onOutcome, onSent });
      else opened.body.discard();
      return undefined;
    } catch (error) {
      opened.body.discard();
      throw error;
    }
  }

  #relayed(known: Known): RelayedCopy {
    const { key, versionId, signal } = this.#request;
    const toContent = (state: ObjectState) => this.#content(state, this.#open());
    return { relay: this.#parts.relay(), source: this.#parts.source, key, versionId, etag: known.etag, toContent, signal };
  }

  async #content(state: ObjectState, writes: readonly ReplicaWrite[]): Promise<ReplicaContent> {
    const { versionId, signal } = this.#request;
    const wanted = writes.some((write) => write.destination.preserve.tags);
    const tags = wanted ? (state.attributes.tags ?? (await this.#parts.source.tagsOf(state, { versionId, signal }))) : undefined;
    const attributes = { ...state.attributes, tags };
    this.#state = { ...state, attributes };
    return { attributes, storageClass: state.storageClass, guards: await this.#guards(state, writes) };
  }

  /** What stands around the source's bytes, and what the destinations have to know of themselves to give it. */
  async #guards(state: ObjectState | undefined, writes: readonly ReplicaWrite[]): Promise<SourceGuards> {
    const { key, versionId, signal } = this.#request;
    const isAsked = writes.some(({ destination }) => destination.preserve.acl);
    if (isAsked) this.#acl ??= this.#parts.source.aclOf(key, { versionId, signal });
    const acl = await this.#acl;
    const guards = { lock: state?.lock ?? this.#lock, encryption: state?.encryption, checksum: state?.storedChecksum, acl };
    await Promise.all(writes.map((write) => write.guards.prepare(guards, signal)));
    return guards;
  }

  /** One store copies within itself; two names of one endpoint are one store only with the same credentials, which one client has. */
  #isLocal(write: ReplicaWrite): boolean {
    return write.facts.store.client === this.#parts.source.store.client;
  }

  /**
   * Whether a body that may go whole goes from the store to itself. A condition that the store honours for a PUT and not for a copy, as many do,
   * makes the body take the way over this machine; one that it honours for neither is no reason to.
   */
  #copiesServerSide(write: ReplicaWrite): boolean {
    if (!this.#isLocal(write)) return false;
    return !write.isConditional || write.honours("conditionalCopy") || !write.honours("conditionalPut");
  }

  /** Writes to every destination at once and settles each as it ends. */
  async #each(
    known: Known,
    { writes, step }: { readonly writes: readonly ReplicaWrite[]; readonly step: WriteStep },
    copy: (write: ReplicaWrite) => Promise<TransferOutcome>,
  ): Promise<void> {
    const go = async (write: ReplicaWrite): Promise<TransferOutcome> =>
      (await write.mayGoAhead(step, this.#request.signal)) ? copy(write) : { kind: "moved-on" };
    await Promise.all(
      writes.map(async (write) => {
        this.#settle(known, write, await go(write).catch(failedOutcome));
      }),
    );
  }

  /** Of the destinations without an outcome, those that a relayed body may be put to; the others get their outcome. */
  async #mayGoAhead(known: Known, writes: readonly ReplicaWrite[]): Promise<readonly ReplicaWrite[]> {
    const open = writes.filter((write) => this.#outcomes[write.index] === undefined);
    await Promise.all(
      open.map(async (write) => {
        const verdict = await write.mayGoAhead("conditionalPut", this.#request.signal).catch(failedOutcome);
        if (verdict !== true) this.#settle(known, write, verdict === false ? { kind: "moved-on" } : verdict);
      }),
    );
    return open.filter((write) => this.#outcomes[write.index] === undefined);
  }

  /** What was copied is told at once; a failure only at the end, since the others may show that it was the source that moved on. */
  #settle(known: Known, write: ReplicaWrite, outcome: TransferOutcome): void {
    this.#outcomes[write.index] = outcome;
    if (outcome.kind === "copied") this.#request.onOutcome?.(write.index, outcome, this.#source(known));
  }

  #source(known: Known | undefined): TransferredSource {
    const state = this.#state;
    return {
      etag: state?.etag ?? known?.etag ?? "",
      sizeBytes: state?.sizeBytes ?? known?.sizeBytes ?? 0,
      lastModified: state?.lastModified ?? known?.lastModified ?? 0,
      versionId: state?.versionId,
      // The stamp is between replicast and the bucket it stands in: nothing that a client gave the object.
      attributes: state === undefined ? null : withStamp(state.attributes, null),
    };
  }

  #leftOut(): TransferOutcome {
    return { kind: "failed", error: new ReplicationError("Internal", `${this.#request.key}: a destination was left without an outcome`) };
  }

  #done(known: Known | undefined): TransferResult {
    const outcomes = this.#outcomes.map((outcome) => outcome ?? this.#leftOut());
    return { kind: "done", source: this.#source(known), outcomes };
  }
}

/** Some stores announce objects with a size of 0 whatever they hold; an empty one has one ETag only. */
function isPlausible(hint: Hint): boolean {
  return hint.sizeBytes !== 0 || hint.etag === EMPTY_MD5;
}

const EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e";

function keepsStorageClass(write: ReplicaWrite): boolean {
  return write.destination.storageClass === undefined && write.destination.preserve.storageClass;
}
