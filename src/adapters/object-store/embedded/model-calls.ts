import type { Bucket } from "../../../domain/bucket.ts";
import { type ErrorPlace, ReplicationError } from "../../../domain/error.ts";
import type { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import { S3Error } from "../../../embedded-s3/s3-error.ts";
import { errorResponse } from "../../../embedded-s3/s3-response.ts";
import { toStoreError } from "../s3/errors.ts";

/** What is asked of the model, by S3's names of the operations. */
export const OPERATIONS = {
  list: "ListObjectsV2",
  head: "HeadObject",
  get: "GetObject",
  tags: "GetObjectTagging",
  acl: "GetObjectAcl",
  putAcl: "PutObjectAcl",
  putRetention: "PutObjectRetention",
  putLegalHold: "PutObjectLegalHold",
  restore: "RestoreObject",
  put: "PutObject",
  delete: "DeleteObject",
  listVersions: "ListObjectVersions",
  putTags: "PutObjectTagging",
  describe: "GetBucketVersioning",
  copy: "CopyObject",
  create: "CreateMultipartUpload",
  part: "UploadPart",
  copyPart: "UploadPartCopy",
  listParts: "ListParts",
  complete: "CompleteMultipartUpload",
  abort: "AbortMultipartUpload",
} as const;

export type ModelCall = keyof typeof OPERATIONS;
export type StepLabel = `${ModelCall}:${"before" | "after"}`;

export interface StepPlace {
  readonly bucket: Bucket;
  readonly key?: string | undefined;
}

/**
 * Is awaited before and after each call takes effect. What it throws before is a request that never arrived; what it throws after is an answer
 * that was lost: the write took place and its caller sees an error.
 */
export type Step = (label: StepLabel, at: StepPlace) => Promise<void>;

/** Which conditions a bucket honours; the others it ignores without a word, as stores do. */
export interface HonouredConditions {
  readonly put: boolean;
  readonly copy: boolean;
  readonly complete: boolean;
  readonly delete: boolean;
}

export interface EmbeddedBucketOptions {
  readonly bucket: Bucket;
  /** Its `now` is the store's clock: a skew is given there, and its `newId` is what makes ids repeatable. */
  readonly model: EmbeddedS3Model;
  readonly step?: Step | undefined;
  /** @defaultValue all honoured */
  readonly conditional?: Partial<HonouredConditions> | undefined;
  /** Keys that listings leave out though they can be read. */
  readonly hidesKey?: ((key: string) => boolean) | undefined;
  /** Gives the keys of each page backwards. */
  readonly listsOutOfOrder?: boolean | undefined;
}

/** What one call is about. */
export interface CallPlace {
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ALL_HONOURED: HonouredConditions = { put: true, copy: true, complete: true, delete: true };

/** One bucket of a model, called in steps. Every failure is a ReplicationError, in the words that the same store would have over HTTP. */
export class ModelCalls {
  readonly bucket: Bucket;
  readonly model: EmbeddedS3Model;
  readonly honours: HonouredConditions;
  readonly #step: Step | undefined;

  constructor({ bucket, model, step, conditional }: EmbeddedBucketOptions) {
    this.bucket = bucket;
    this.model = model;
    this.honours = { ...ALL_HONOURED, ...conditional };
    this.#step = step;
  }

  /** The same bucket with other steps. */
  through(step: Step | undefined): ModelCalls {
    const { bucket, model, honours } = this;
    return step === undefined ? this : new ModelCalls({ bucket, model, step, conditional: honours });
  }

  /** Whether objects of the bucket can be locked, which is known of it without a step. */
  hasLocks(): boolean {
    return (
      this.model.listBuckets().some(({ name }) => name === this.bucket.bucket) && this.model.bucketLock(this.bucket.bucket) !== undefined
    );
  }

  /** Takes one step: the effect happens at one instant between the two calls of the hook, or, where it throws, not at all. */
  async run<T>(call: ModelCall, place: CallPlace, effect: (model: EmbeddedS3Model, bucket: string) => T): Promise<T> {
    const at = { operation: OPERATIONS[call], bucket: this.bucket.bucket, key: place.key };
    const where = { bucket: this.bucket, key: place.key };
    await this.#step?.(`${call}:before`, where);
    checkNotAborted(place.signal, at);
    const answer = this.#answer(at, effect);
    await this.#step?.(`${call}:after`, where);
    // Whoever is interrupted no longer hears the answer.
    checkNotAborted(place.signal, at);
    if (answer.kind === "refused") throw answer.error;
    return answer.value;
  }

  #answer<T>(at: ErrorPlace, effect: (model: EmbeddedS3Model, bucket: string) => T): Answer<T> {
    try {
      return { kind: "done", value: effect(this.model, this.bucket.bucket) };
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return { kind: "refused", error: refused(error, at) };
    }
  }
}

type Answer<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "refused"; readonly error: ReplicationError };

/** The model's own refusal behind an error; undefined for an error that came from elsewhere, such as a step. */
export function refusalOf(error: unknown): S3Error | undefined {
  return error instanceof ReplicationError && error.cause instanceof S3Error ? error.cause : undefined;
}

/** Told by way of the document that the store would send, so that one table says what each of S3's errors means. */
function refused(cause: S3Error, at: ErrorPlace): ReplicationError {
  const { status, headers, body } = errorResponse(cause, undefined, "");
  const { code, message, ...told } = toStoreError({ status, headers, body: Buffer.from(typeof body === "string" ? body : "") }, at);
  return new ReplicationError(code, message, { at: told.at, hint: told.hint, disposition: told.disposition, cause });
}

function checkNotAborted(signal: AbortSignal | undefined, at: ErrorPlace): void {
  if (signal?.aborted !== true) return;
  throw new ReplicationError("Aborted", `${at.operation} was interrupted`, { at, cause: signal.reason });
}
