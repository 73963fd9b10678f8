import { ReplicationError } from "../../../domain/error.ts";
import type { ObjectAttributes } from "../../../domain/object.ts";
import { STAMP_NAME } from "../../../domain/stamp.ts";
import type { Capabilities } from "../../../ports/object-store.ts";
import type { TransferDestination, TransferOutcome } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { isAbout } from "./errors.ts";
import { type ResponseHeaders, toRequestHeaders } from "./headers.ts";
import { ReplicaGuards, type SourceGuards, type WriteForm } from "./replica-guards.ts";

/** What a source object gives to its replicas. */
export interface ReplicaContent {
  readonly attributes: ObjectAttributes;
  readonly storageClass: string | undefined;
  readonly guards: SourceGuards;
}

const REDIRECT = "x-amz-website-redirect-location";

/** The request that makes a replica appear, by what must be honoured for it to be conditional. */
export type WriteStep = Exclude<keyof Capabilities, "conditionalDelete">;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const MAX_METADATA_BYTES = 2048;

/** One replica about to be written: where, with what, under which condition, and what had to be left out. */
export class ReplicaWrite {
  readonly index: number;
  readonly destination: TransferDestination;
  readonly facts: BucketFacts;
  readonly notes: Set<string> = new Set();
  readonly guards: ReplicaGuards;
  #withoutTags = false;
  #withoutStamp = false;
  #askedClass: string | undefined;
  #honoured: Capabilities | undefined;

  constructor(index: number, destination: TransferDestination, facts: BucketFacts) {
    this.index = index;
    this.destination = destination;
    this.facts = facts;
    this.guards = new ReplicaGuards(destination, facts, this.notes);
  }

  /** Whether the replica may replace one state of the destination only. */
  get isConditional(): boolean {
    return this.destination.ifHolds !== undefined;
  }

  /** Learns, once per bucket, what the store of a conditional write honours. Asked for before {@link honours} and all that rests on it. */
  async learn(signal: AbortSignal | undefined): Promise<void> {
    if (this.isConditional) this.#honoured = await this.facts.store.capabilities(signal);
  }

  honours(step: WriteStep): boolean {
    return this.#honoured?.[step] === true;
  }

  /** The headers that hold a write to the state it was decided from, where the store honours them. */
  conditions(step: WriteStep): Record<string, string> {
    const { ifHolds } = this.destination;
    if (ifHolds === undefined || !this.honours(step)) return {};
    return ifHolds === null ? { "if-none-match": "*" } : { "if-match": `"${ifHolds}"` };
  }

  /**
   * Whether the write may go ahead. Where the store does not honour its condition the destination is looked at: what another client writes
   * between this look and the write is lost. The store offers no way to close that window.
   */
  async mayGoAhead(step: WriteStep, signal: AbortSignal | undefined): Promise<boolean> {
    const { ifHolds, key } = this.destination;
    if (ifHolds === undefined || this.honours(step)) return true;
    const state = await this.facts.store.head(key, { signal });
    return (state?.etag ?? null) === ifHolds;
  }

  /** Request headers that give the replica everything it can hold. */
  headers(content: ReplicaContent, form: WriteForm): Record<string, string> {
    const tags = this.keepsTags ? content.attributes.tags : undefined;
    const headers = toRequestHeaders({ ...this.#stamped(content.attributes), tags });
    const storageClass = this.storageClass(content.storageClass);
    if (storageClass !== undefined) headers["x-amz-storage-class"] = storageClass;
    return { ...headers, ...this.guards.headers(content.guards, form) };
  }

  /** Notes what a success shows to have been left out without a word. Returns whether the store checked the bytes by the source's checksum. */
  settle({ attributes, guards }: ReplicaContent, answered: ResponseHeaders): boolean {
    const { profile } = this.facts;
    const { [REDIRECT]: redirect, expires } = attributes.systemHeaders;
    if (redirect !== undefined && !profile.keepsRedirects) this.notes.add("WebsiteRedirectNotKept");
    if (expires !== undefined && Number.isNaN(Date.parse(expires)) && !profile.keepsOddExpires) this.notes.add("ExpiresNotKept");
    if (this.#askedClass !== undefined && this.#askedClass !== "STANDARD" && !profile.tellsOfClasses) this.notes.add("StorageClassNotKept");
    return this.guards.settle(guards, answered);
  }

  /** Whether the replica gets the source's tags. */
  get keepsTags(): boolean {
    return this.destination.preserve.tags && !this.#withoutTags;
  }

  /** The class the replica is to have: the one given to the destination, else the source's where it is kept and the store knows it. */
  storageClass(ofSource: string | undefined): string | undefined {
    const wanted = this.destination.storageClass ?? (this.destination.preserve.storageClass ? ofSource : undefined);
    const refused = wanted !== undefined && this.facts.refusedStorageClasses.has(wanted);
    if (refused) this.notes.add("StorageClassNotKept");
    this.#askedClass = refused ? undefined : wanted;
    return this.#askedClass;
  }

  /** What comes of a refusal: the outcome, or `again` where the replica can be written without what was refused, with a note. */
  refused(error: ReplicationError): TransferOutcome | "again" {
    if (this.hasMovedOn(error)) return { kind: "moved-on" };
    return this.#canDoWithout(error) ? "again" : { kind: "failed", error: this.#explained(error) };
  }

  /** Whether the error says that the destination does not hold what it should. S3 answers If-Match on nothing with "no such key". */
  hasMovedOn({ code }: ReplicationError): boolean {
    const { ifHolds } = this.destination;
    return ifHolds !== undefined && (code === "PreconditionFailed" || (ifHolds !== null && code === "NoSuchKey"));
  }

  /** The error of a success that says nothing of the encryption asked for: some stores take the header and leave the bytes as they are. */
  leftPlain(answered: ResponseHeaders): ReplicationError | undefined {
    const { encryption } = this.destination;
    if (encryption === undefined || answered["x-amz-server-side-encryption"] === encryption.type) return undefined;
    return this.#encryptionMissing("the answer says nothing of it");
  }

  #stamped(attributes: ObjectAttributes): ObjectAttributes {
    const { stamp } = this.destination;
    if (stamp === undefined) return attributes;
    const stamped = withStamp(attributes, stamp);
    if (stamp === null || (!this.#withoutStamp && metadataBytes(stamped) <= MAX_METADATA_BYTES)) return stamped;
    this.notes.add("StampNotKept");
    return withStamp(attributes, null);
  }

  #canDoWithout(error: ReplicationError): boolean {
    if (error.code === "InvalidTag" && !this.#withoutTags) {
      this.#withoutTags = true;
      this.notes.add("TagsNotKept");
      return true;
    }
    if (error.code === "MetadataTooLarge" && typeof this.destination.stamp === "string" && !this.#withoutStamp) {
      this.#withoutStamp = true;
      return true;
    }
    // Judged by what this write asked for: another one may have learned of the refusal while this one was under way.
    if (error.code !== "InvalidStorageClass" || this.#askedClass === undefined) return this.guards.canDoWithout(error);
    this.facts.refusedStorageClasses.add(this.#askedClass);
    this.#askedClass = undefined;
    return true;
  }

  /** Encryption was asked for by name, so it is never left out: where the store cannot, the replica is not written. */
  #explained(error: ReplicationError): ReplicationError {
    const isBad = error.code === "InvalidRequest" && error.at.status === 400 && !isAbout(error, "customerKey");
    const mayBeAboutIt = error.code === "NotImplemented" || isBad;
    return this.destination.encryption !== undefined && mayBeAboutIt ? this.#encryptionMissing(error.message, error) : error;
  }

  #encryptionMissing(why: string, cause?: ReplicationError): ReplicationError {
    const { bucket, key, encryption } = this.destination;
    return new ReplicationError("CapabilityMissing", `${bucket.name} does not encrypt ${key} by ${encryption?.type}: ${why}`, {
      at: cause?.at ?? { bucket: bucket.bucket, key },
      hint: "set up key management at the store, or leave `encryption` out of the destination",
      cause,
    });
  }
}

/** The attributes with this stamp, or with none. */
export function withStamp(attributes: ObjectAttributes, stamp: string | null): ObjectAttributes {
  const { [STAMP_NAME]: _, ...metadata } = attributes.metadata;
  return { ...attributes, metadata: stamp === null ? metadata : { ...metadata, [STAMP_NAME]: stamp } };
}

/** As the strictest count it: values as they are sent, names with their prefix. */
function metadataBytes({ metadata }: ObjectAttributes): number {
  const sent = Object.entries(toRequestHeaders({ systemHeaders: {}, metadata }));
  return sent.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.length, 0);
}
