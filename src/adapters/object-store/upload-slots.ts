import { createHash } from "node:crypto";
import type { Bucket } from "../../domain/bucket.ts";
import type { ReplicationError } from "../../domain/error.ts";
import { attributeText, type ObjectAttributes } from "../../domain/object.ts";
import type { LeftUploads, TransferRequest, TransferResult } from "../../ports/transfer.ts";
import type { BoundUpload, UploadPlace, Uploads } from "../../ports/uploads.ts";

/** What an upload is of. */
export interface UploadSubject {
  /** State of the source that every part is read from. */
  readonly source: { readonly etag: string; readonly versionId?: string | undefined };
  readonly partSizes: readonly number[];
  readonly attributes: ObjectAttributes;
  /** Whatever else the replica gets with the beginning of the upload; what JSON can carry. */
  readonly given: readonly unknown[];
}

/** The same text for the same subject, in every process; another for any other. */
export function pinOf({ source, partSizes, attributes, given }: UploadSubject): string {
  const text = JSON.stringify([source.etag, source.versionId ?? null, partSizes, attributeText(attributes), given]);
  return createHash("sha256").update(text).digest("hex");
}

/** Errors after which nothing that was uploaded can be trusted, or is there. */
const ENDS_UPLOAD: ReadonlySet<string> = new Set(["BadDigest", "ChecksumMismatch", "NoSuchUpload", "PreconditionFailed"]);

/** Whether another attempt may go on with an upload that ended in this error. */
export function mayGoOn(error: ReplicationError): boolean {
  return error.disposition === "retry" && !ENDS_UPLOAD.has(error.code);
}

/** Aborts an upload into a bucket. Returns why it may still be there; undefined where it is gone. */
export type AbortUpload = (upload: BoundUpload, bucket: Bucket) => Promise<ReplicationError | undefined>;

/**
 * The uploads that the copies of one process are bound to. One copy at a time has a place: another that comes there meanwhile gets no slot, so
 * what it begins is not bound and it does not touch what the first one does.
 */
export class UploadSlots {
  readonly #uploads: Uploads;
  readonly #abort: AbortUpload;
  readonly #taken = new Set<string>();
  /** Places with a bound upload: read once, so that copies without parts cost the state nothing. */
  #places: Promise<Set<string>> | undefined;
  /** The same once they were read. */
  #read: ReadonlySet<string> | undefined;

  constructor(uploads: Uploads, abort: AbortUpload) {
    this.#uploads = uploads;
    this.#abort = abort;
  }

  /** Takes a place until the slot is freed; undefined where another copy has it. */
  take(place: UploadPlace): UploadSlot | undefined {
    const text = textOf(place);
    if (this.#taken.has(text)) return undefined;
    this.#taken.add(text);
    return new UploadSlot(place, {
      uploads: this.#uploads,
      noted: async (isBound) => {
        const places = await this.#known();
        if (isBound) places.add(text);
        else places.delete(text);
      },
      free: () => this.#taken.delete(text),
    });
  }

  /**
   * Aborts what broken-off copies left of a source that is gone, or at places that have been written without it. What cannot be aborted is swept
   * later: it is no failure of the object. Returns a promise only where there may be something to abort: most copies have no parts.
   */
  dropAfter(request: TransferRequest, result: TransferResult): Promise<void> | undefined {
    return this.#read?.size === 0 ? undefined : this.#dropAll(request, result);
  }

  async #dropAll({ source, key, destinations }: TransferRequest, result: TransferResult): Promise<void> {
    for (const [i, { bucket, key: destinationKey }] of destinations.entries()) {
      const isOver = result.kind === "gone" || (result.kind === "done" && result.outcomes[i]?.kind === "copied");
      const place = { source: source.id, key, destination: bucket.id, destinationKey };
      if (isOver && (await this.#mayBeBound(place))) await this.#drop(place, bucket).catch(() => undefined);
    }
  }

  /** Aborts every upload that no copy of this process is at and that nobody wants. Returns how many are gone. */
  async sweep({ buckets, isWanted }: LeftUploads): Promise<number> {
    let gone = 0;
    for (const left of await this.#uploads.all()) {
      const bucket = buckets.find(({ id }) => id === left.destination);
      if (bucket === undefined || (await isWanted(left))) continue;
      if (await this.#drop(left, bucket)) gone++;
    }
    return gone;
  }

  /** Returns whether there was one, and is none any more. */
  async #drop(place: UploadPlace, bucket: Bucket): Promise<boolean> {
    const slot = this.take(place);
    if (slot === undefined) return false;
    try {
      const left = await slot.bound();
      const error = left && (await this.#abort(left, bucket));
      if (left === undefined || (error !== undefined && mayGoOn(error))) return false;
      await slot.release(left);
      return true;
    } finally {
      slot.free();
    }
  }

  /** Where the state cannot be asked there may be one, which is swept later. */
  #mayBeBound(place: UploadPlace): Promise<boolean> {
    return this.#known().then(
      (places) => places.has(textOf(place)),
      () => false,
    );
  }

  #known(): Promise<Set<string>> {
    this.#places ??= this.#uploads.all().then(
      (all) => {
        const places = new Set(all.map(textOf));
        this.#read = places;
        return places;
      },
      (error: unknown) => {
        this.#places = undefined; // asked again by the next
        throw error;
      },
    );
    return this.#places;
  }
}

interface SlotParts {
  readonly uploads: Uploads;
  /** Told, before the state is, that an upload is bound there, and when it is no longer. */
  readonly noted: (isBound: boolean) => Promise<void>;
  readonly free: () => void;
}

/** A place that one copy has for itself. */
export class UploadSlot {
  readonly #place: UploadPlace;
  readonly #parts: SlotParts;
  #isFree = false;

  constructor(place: UploadPlace, parts: SlotParts) {
    const { source, key, destination, destinationKey } = place;
    this.#place = { source, key, destination, destinationKey };
    this.#parts = parts;
  }

  bound(): Promise<BoundUpload | undefined> {
    return this.#parts.uploads.bound(this.#place);
  }

  async bind(upload: Pick<BoundUpload, "uploadId" | "pin" | "memo">): Promise<BoundUpload> {
    const bound = { ...this.#place, ...upload };
    await this.#parts.noted(true);
    await this.#parts.uploads.bind(bound);
    return bound;
  }

  async release(upload: BoundUpload): Promise<void> {
    await this.#parts.uploads.release(upload);
    await this.#parts.noted(false);
  }

  /** Safe to call twice: the place may be another's by then. */
  free(): void {
    if (!this.#isFree) this.#parts.free();
    this.#isFree = true;
  }
}

function textOf({ source, key, destination, destinationKey }: UploadPlace): string {
  return JSON.stringify([source, key, destination, destinationKey]);
}
