import type { Bucket } from "../../../domain/bucket.ts";
import { isReplicationError, ReplicationError, toReplicationError } from "../../../domain/error.ts";
import { isMultipartEtag, type ObjectState } from "../../../domain/object.ts";
import type { CannedAcl } from "../../../embedded-s3/acl.ts";
import type { Body } from "../../../embedded-s3/body.ts";
import type { PutInput } from "../../../embedded-s3/model.ts";
import type { CopyInput, CopySource } from "../../../embedded-s3/object-copy.ts";
import type { ObjectRead } from "../../../embedded-s3/object-read.ts";
import type {
  LeftUploads,
  Transfer,
  TransferOutcome,
  TransferRequest,
  TransferResult,
  TransferredSource,
} from "../../../ports/transfer.ts";
import type { Uploads } from "../../../ports/uploads.ts";
import { withStamp } from "../s3/replica-write.ts";
import { type AbortUpload, type UploadSlot, UploadSlots } from "../upload-slots.ts";
import { type ModelCalls, refusalOf, type Step } from "./model-calls.ts";
import { toObjectState } from "./object-state.ts";
import type { EmbeddedObjectStore } from "./object-store.ts";
import { Replica, type ReplicaContent, type SourceGuards } from "./replica.ts";
import { abortUpload, copyInParts, type PartsSource } from "./replica-parts.ts";

export interface EmbeddedTransferOptions {
  readonly storeOf: (bucket: Bucket) => EmbeddedObjectStore;
  /** Instead of the stores' own. */
  readonly step?: Step | undefined;
  /** Where uploads in parts are bound, so that a copy that was broken off is gone on with. Absent: it starts over. */
  readonly uploads?: Uploads | undefined;
}

/**
 * Moves objects between buckets of in-memory stores in the steps that S3 needs: one CopyObject within a model, else one GET and a PUT for each
 * destination; parts where the source was uploaded in parts.
 */
export class EmbeddedTransfer implements Transfer {
  readonly #options: EmbeddedTransferOptions;
  /** Sources whose tags were read once, which proves that a count of 0 means none. */
  readonly #readableTags = new Set<string>();
  readonly #slots: UploadSlots | undefined;

  constructor(options: EmbeddedTransferOptions) {
    this.#options = options;
    const abort: AbortUpload = ({ destinationKey: key, uploadId }, bucket) => abortUpload(this.#callsOf(bucket), { key, uploadId });
    this.#slots = options.uploads && new UploadSlots(options.uploads, abort);
  }

  async copy(request: TransferRequest): Promise<TransferResult> {
    try {
      const replicas = request.destinations.map((destination, i) => new Replica(i, destination, this.#callsOf(destination.bucket)));
      const sides = { source: this.#callsOf(request.source), replicas, readableTags: this.#readableTags, slots: this.#slots };
      const result = await new Copy(request, sides).run();
      await this.#slots?.dropAfter(request, result);
      return result;
    } catch (error) {
      return { kind: "failed", error: toReplicationError(error) };
    }
  }

  async sweep(left: LeftUploads): Promise<number> {
    return (await this.#slots?.sweep(left)) ?? 0;
  }

  #callsOf(bucket: Bucket): ModelCalls {
    return this.#options.storeOf(bucket).calls.through(this.#options.step);
  }
}

interface CopySides {
  readonly source: ModelCalls;
  readonly replicas: readonly Replica[];
  readonly readableTags: Set<string>;
  readonly slots: UploadSlots | undefined;
}

/** What is known of the source when the way is chosen. */
interface Known {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly lastModified: number;
  readonly storageClass: string | undefined;
  /** Undefined where only a hint is known. */
  readonly read: ObjectRead | undefined;
}

type SourceTrouble = Exclude<TransferResult, { kind: "done" }>;

const EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e";

/** One call of {@link EmbeddedTransfer.copy}. */
class Copy {
  readonly #request: TransferRequest;
  readonly #source: ModelCalls;
  readonly #replicas: readonly Replica[];
  readonly #readableTags: Set<string>;
  readonly #slots: UploadSlots | undefined;
  readonly #outcomes: (TransferOutcome | undefined)[];
  #state: ObjectState | undefined;
  #acl: Promise<CannedAcl | undefined> | undefined;

  constructor(request: TransferRequest, { source, replicas, readableTags, slots }: CopySides) {
    this.#request = request;
    this.#source = source;
    this.#replicas = replicas;
    this.#readableTags = readableTags;
    this.#slots = slots;
    this.#outcomes = replicas.map(() => undefined);
  }

  async run(): Promise<TransferResult> {
    if (this.#replicas.length === 0) return this.#done(undefined);
    const known = await this.#know();
    if ("kind" in known) return known;
    if (known.read !== undefined) await this.#accept(toObjectState(known.read));
    const open = this.#open();
    if (open.length === 0) return this.#done(known);
    const trouble = isMultipartEtag(known.etag) ? await this.#inParts(known, open) : await this.#whole(known, open);
    return trouble ?? this.#done(known);
  }

  /** The destinations without an outcome yet. */
  #open(): readonly Replica[] {
    return this.#replicas.filter(({ index }) => this.#outcomes[index] === undefined);
  }

  /** Reads the source's state where the hint is not enough to choose a way. */
  async #know(): Promise<Known | SourceTrouble> {
    const { hint, readFirst } = this.#request;
    if (hint?.etag !== undefined && hint.sizeBytes !== undefined && !this.#mustHead()) {
      const { etag, sizeBytes, lastModified = 0, storageClass } = hint;
      return { etag, sizeBytes, lastModified, storageClass: storageClass === "STANDARD" ? undefined : storageClass, read: undefined };
    }
    const read = await this.#head();
    if (read === undefined) return { kind: "gone" };
    const { etag, sizeBytes, lastModified, storageClass } = toObjectState(read);
    const fromListing = hint?.storageClass !== undefined && readFirst !== true;
    if (fromListing && hint.etag !== undefined && hint.etag !== etag) return { kind: "changed" };
    return { etag, sizeBytes, lastModified, storageClass, read };
  }

  #mustHead(): boolean {
    const { hint, readFirst, accept } = this.#request;
    if (readFirst === true || isMultipartEtag(hint?.etag ?? "")) return true;
    if (hint?.sizeBytes === 0 && hint.etag !== EMPTY_MD5) return true; // some stores announce a size of 0 whatever they hold
    const local = this.#replicas.filter((replica) => this.#isLocal(replica));
    if (local.length === 0) return false; // the GET tells
    if (accept !== undefined || local.some(({ destination }) => destination.stamp !== undefined)) return true;
    if (this.#source.hasLocks()) return true;
    const keepsClass = local.some(({ destination }) => destination.storageClass === undefined && destination.preserve.storageClass);
    return hint?.storageClass === undefined && keepsClass; // only a listing's hint knows the class
  }

  /** Undefined where the source has no such object. */
  async #head(): Promise<ObjectRead | undefined> {
    const { key, versionId, signal } = this.#request;
    try {
      return await this.#source.run("head", { key, signal }, (model, bucket) => model.headObject(bucket, key, { versionId }));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** Shows the source to whoever asked, and gives the destinations that do not want the object as it is their outcome. */
  async #accept(state: ObjectState): Promise<void> {
    const { accept, needTags } = this.#request;
    this.#state = state;
    if (accept === undefined) return;
    const tags = needTags === true ? await this.#tagsOf(state) : undefined;
    this.#state = { ...state, attributes: { ...state.attributes, tags } };
    accept(this.#state).forEach((accepted, i) => {
      if (!accepted) this.#outcomes[i] ??= { kind: "not-accepted" };
    });
  }

  async #whole(known: Known, replicas: readonly Replica[]): Promise<SourceTrouble | undefined> {
    const local = replicas.filter((replica) => this.#isLocal(replica));
    const remote = replicas.filter((replica) => !this.#isLocal(replica));
    const [, trouble] = await Promise.all([
      this.#each(known, local, (replica) => this.#ifExpected("copy", replica, () => this.#copyWithin(known, replica))),
      remote.length === 0 ? undefined : this.#streamed(known, remote),
    ]);
    if (trouble !== undefined || local.length === 0) return trouble;
    return this.#movedOnEverywhere(local, remote.length > 0);
  }

  /** Copies within the model in one step, pinned to the source's ETag. */
  async #copyWithin(known: Known, replica: Replica): Promise<TransferOutcome> {
    const { calls, destination } = replica;
    const replaced = destination.stamp === undefined ? undefined : known.read && toObjectState(known.read).attributes;
    const guards = await this.#guards(known.read);
    const toInput = (): CopyInput => ({
      ...replica.conditions("copy"),
      ...replica.guards(guards),
      source: this.#pinned(known),
      // Tags go by their own directive, unseen.
      attributes: replaced && { ...replica.attributes(replaced), tags: undefined },
      metadataDirective: replaced === undefined ? "COPY" : "REPLACE",
      taggingDirective: replica.keepsTags ? "COPY" : "REPLACE",
      storageClass: replica.storageClass(known.storageClass),
    });
    const place = { key: destination.key, signal: this.#request.signal };
    const copy = () => calls.run("copy", place, (model, bucket) => model.copyObject(bucket, destination.key, toInput()));
    try {
      const { etag, versionId } = await replica.write(copy);
      return { kind: "copied", etag, versionId, proof: etag === known.etag ? "etag" : "provider", notes: [...replica.notes] };
    } catch (error) {
      return (await this.#isAboutAbsence(error, replica)) ? failedOutcome(this.#sourceGone(error)) : replica.outcomeOf(error);
    }
  }

  /**
   * Whether a copy failed because its source is gone. "No such key" may be about the destination's condition too, and a version that is a delete
   * marker is refused as a bad request: then the source is looked at.
   */
  async #isAboutAbsence(error: unknown, { destination }: Replica): Promise<boolean> {
    const isMarker = this.#request.versionId !== undefined && refusalOf(error)?.code === "InvalidRequest";
    if (!isMarker && !isGone(error)) return false;
    if (!isMarker && typeof destination.ifHolds !== "string") return true;
    return (await this.#head()) === undefined;
  }

  #sourceGone(cause: unknown): ReplicationError {
    const at = { operation: "CopyObject", bucket: this.#source.bucket.bucket, key: this.#request.key };
    return new ReplicationError("NoSuchKey", `${this.#request.key} is no longer there`, { at, cause });
  }

  #pinned({ etag }: Known): CopySource {
    return {
      bucket: this.#source.bucket.bucket,
      key: this.#request.key,
      versionId: this.#request.versionId,
      conditions: { ifMatch: etag },
    };
  }

  /** Where every copy within the model says that the source is not what was expected, the source has moved on, or is gone. */
  async #movedOnEverywhere(replicas: readonly Replica[], readElsewhere: boolean): Promise<SourceTrouble | undefined> {
    const codes = replicas.map(({ index }) => {
      const outcome = this.#outcomes[index];
      return outcome?.kind === "failed" ? outcome.error.code : undefined;
    });
    if (!readElsewhere && codes.every((code) => code === "PreconditionFailed")) return { kind: "changed" };
    const missing = replicas.filter((_, i) => codes[i] === "NoSuchKey");
    if (missing.length === 0) return undefined;
    if (!readElsewhere && missing.length === replicas.length) {
      return (await this.#head()) === undefined ? { kind: "gone" } : { kind: "changed" };
    }
    // Where others got on or failed for reasons of their own, "no such key" is not the end of it: read again, decide again.
    for (const { index } of missing) this.#outcomes[index] = { kind: "failed", error: this.#sourceMovedOn() };
    return undefined;
  }

  #sourceMovedOn(): ReplicationError {
    const { key } = this.#request;
    const at = { operation: "GetObject", bucket: this.#source.bucket.bucket, key };
    return new ReplicationError("PreconditionFailed", `${key} changed while it was read`, { at });
  }

  async #streamed(known: Known, replicas: readonly Replica[]): Promise<SourceTrouble | undefined> {
    const read = await this.#get(known.etag);
    if ("kind" in read) return read;
    if (known.read === undefined) await this.#accept(toObjectState(read));
    const open = replicas.filter(({ index }) => this.#outcomes[index] === undefined);
    if (open.length === 0) return undefined;
    const content = await this.#content(read, open);
    const object = { content, body: read.version.body, etag: read.version.etag };
    await this.#each(known, open, (replica) => this.#ifExpected("put", replica, () => this.#put(object, replica)));
    return undefined;
  }

  async #get(etag: string): Promise<ObjectRead | SourceTrouble> {
    const { key, versionId, signal } = this.#request;
    const input = { versionId, conditions: { ifMatch: etag } };
    try {
      return await this.#source.run("get", { key, signal }, (model, bucket) => model.getObject(bucket, key, input));
    } catch (error) {
      if (isGone(error)) return { kind: "gone" };
      if (refusalOf(error)?.code === "PreconditionFailed") return { kind: "changed" };
      return { kind: "failed", error: toReplicationError(error) };
    }
  }

  async #put({ content, body, etag: ofSource }: ReadObject, replica: Replica): Promise<TransferOutcome> {
    const { calls, destination } = replica;
    const toInput = (): PutInput => ({
      ...replica.conditions("put"),
      ...replica.guards(content.guards),
      body,
      checksum: content.guards.checksum?.type === "FULL_OBJECT" ? content.guards.checksum : undefined,
      attributes: replica.attributes(content.attributes),
      storageClass: replica.storageClass(content.storageClass),
    });
    const place = { key: destination.key, signal: this.#request.signal };
    const put = () => calls.run("put", place, (model, bucket) => model.putObject(bucket, destination.key, toInput()));
    try {
      const { etag, versionId } = await replica.write(put);
      return { kind: "copied", etag, versionId, proof: etag === ofSource ? "etag" : "checksum", notes: [...replica.notes] };
    } catch (error) {
      return replica.outcomeOf(error);
    }
  }

  async #inParts(known: Known, replicas: readonly Replica[]): Promise<undefined> {
    const read = known.read as ObjectRead; // an ETag of parts is never taken from a hint alone
    const { key, signal } = this.#request;
    const source: PartsSource = {
      calls: this.#source,
      read,
      pinned: this.#pinned(known),
      key,
      content: await this.#content(read, replicas),
      isLocal: (replica) => replica.calls.model === this.#source.model,
      slotOf: (replica) => this.#slotOf(replica),
      signal,
    };
    await this.#each(known, replicas, copyInParts(source));
    return undefined;
  }

  #slotOf({ destination: { bucket, key: destinationKey } }: Replica): UploadSlot | undefined {
    const { source, key } = this.#request;
    return this.#slots?.take({ source: source.id, key, destination: bucket.id, destinationKey });
  }

  async #content(read: ObjectRead, replicas: readonly Replica[]): Promise<ReplicaContent> {
    const state = toObjectState(read);
    const wanted = replicas.some(({ destination }) => destination.preserve.tags);
    const tags = wanted ? (this.#state?.attributes.tags ?? (await this.#tagsOf(state))) : undefined;
    const attributes = { ...state.attributes, tags };
    this.#state = { ...state, attributes };
    return { attributes, storageClass: state.storageClass, guards: await this.#guards(read) };
  }

  /** What stands around the source's bytes, as far as it was read; its ACL has to be asked for. */
  async #guards(read: ObjectRead | undefined): Promise<SourceGuards> {
    if (this.#replicas.some(({ destination }) => destination.preserve.acl)) this.#acl ??= this.#readAcl();
    const { lock, encryption } = read?.version ?? {};
    return { lock, encryption, checksum: read?.checksum(), acl: await this.#acl };
  }

  async #readAcl(): Promise<CannedAcl | undefined> {
    const { key, versionId, signal } = this.#request;
    try {
      return (await this.#source.run("acl", { key, signal }, (model, bucket) => model.guards(bucket, key, versionId))).acl;
    } catch (error) {
      if (isGone(error)) throw this.#sourceMovedOn();
      throw error;
    }
  }

  async #tagsOf(state: ObjectState): Promise<Readonly<Record<string, string>>> {
    if (state.tagCount === 0 && this.#readableTags.has(this.#source.bucket.id)) return {};
    const { key, versionId, signal } = this.#request;
    try {
      const { tags } = await this.#source.run("tags", { key, signal }, (model, bucket) => model.tags(bucket, key, versionId));
      this.#readableTags.add(this.#source.bucket.id);
      return tags;
    } catch (error) {
      if (isGone(error)) throw this.#sourceMovedOn();
      throw error;
    }
  }

  #isLocal(replica: Replica): boolean {
    return replica.calls.model === this.#source.model && !replica.mustTravel;
  }

  async #ifExpected(kind: "copy" | "put", replica: Replica, write: () => Promise<TransferOutcome>): Promise<TransferOutcome> {
    return (await replica.mayGoAhead(kind, this.#request.signal)) ? write() : { kind: "moved-on" };
  }

  /** Writes to every destination at once and settles each as it ends. */
  async #each(known: Known, replicas: readonly Replica[], copy: (replica: Replica) => Promise<TransferOutcome>): Promise<void> {
    await Promise.all(replicas.map(async (replica) => this.#settle(known, replica, await copy(replica).catch(failedOutcome))));
  }

  /** What was copied is told at once; a failure only at the end, since the others may show that it was the source that moved on. */
  #settle(known: Known, { index }: Replica, outcome: TransferOutcome): void {
    this.#outcomes[index] = outcome;
    if (outcome.kind === "copied") this.#request.onOutcome?.(index, outcome, this.#told(known));
  }

  #told(known: Known | undefined): TransferredSource {
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

  #done(known: Known | undefined): TransferResult {
    const outcomes = this.#outcomes.map((outcome) => outcome ?? this.#leftOut());
    return { kind: "done", source: this.#told(known), outcomes };
  }

  #leftOut(): TransferOutcome {
    return { kind: "failed", error: new ReplicationError("Internal", `${this.#request.key}: a destination was left without an outcome`) };
  }
}

/** The outcome for something thrown on one destination's own way. */
function failedOutcome(error: unknown): TransferOutcome {
  return { kind: "failed", error: toReplicationError(error) };
}

/** An object as one GET brought it. */
interface ReadObject {
  readonly content: ReplicaContent;
  readonly body: Body;
  readonly etag: string;
}

/** Whether the store says that there is no such object, or only a delete marker. */
function isGone(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal === undefined || !isReplicationError(error)) return false;
  return refusal.facts.deleteMarker === true || refusal.code === "NoSuchKey" || refusal.code === "NoSuchVersion";
}
