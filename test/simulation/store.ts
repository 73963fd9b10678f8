import type { Step } from "../../src/adapters/object-store/embedded/model-calls.ts";
import { EmbeddedObjectStore } from "../../src/adapters/object-store/embedded/object-store.ts";
import { Body } from "../../src/embedded-s3/body.ts";
import { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import type { NotificationRecord } from "../../src/embedded-s3/notification.ts";
import type { Member } from "./topology.ts";

export interface CurrentObject {
  readonly content: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly versionId: string;
}

/** A store with its one bucket, as its clients see it: what they do takes effect at once. */
export class SimulatedStore {
  readonly member: Member;
  readonly model: EmbeddedS3Model;
  #ids = 0;

  constructor(member: Member, now: () => number) {
    this.member = member;
    const newId = () => `${member.name}${(++this.#ids).toString().padStart(6, "0")}`;
    this.model = new EmbeddedS3Model({ now: () => now() + member.skewMs, newId, limits: { minPartBytes: 1 } });
    this.#create();
  }

  onEvent(listener: (record: NotificationRecord) => void): void {
    this.model.onEvent(listener);
  }

  /** The store as one process reaches it. */
  through(step: Step): EmbeddedObjectStore {
    const { bucket, conditions, misorders, hides } = this.member;
    return new EmbeddedObjectStore({
      bucket,
      model: this.model,
      step,
      conditional: { put: conditions, copy: conditions, complete: conditions, delete: conditions },
      listsOutOfOrder: misorders,
      hidesKey: (key) => hides && this.#lies(key),
    });
  }

  /** The current object's bytes and tags; undefined where there is none. */
  current(key: string): CurrentObject | undefined {
    const [latest] = this.model.listVersions(this.#name, { prefix: key, maxKeys: 1 }).versions;
    const version = latest?.version;
    if (version?.key !== key || version.kind !== "object") return undefined;
    const { body, etag, tags, versionId } = version;
    return { content: Buffer.concat(body.chunks).toString(), sizeBytes: body.sizeBytes, etag, tags, versionId };
  }

  /** Whether a delete marker is current. */
  isMarked(key: string): boolean {
    const [latest] = this.model.listVersions(this.#name, { prefix: key, maxKeys: 1 }).versions;
    return latest?.version.key === key && latest.version.kind === "deleteMarker";
  }

  /** The bytes of each version, the newest first; null for delete markers. */
  contents(key: string): readonly (string | null)[] {
    return this.#history(key).map(({ version }) => (version.kind === "object" ? Buffer.concat(version.body.chunks).toString() : null));
  }

  /** The ids of the same versions. */
  versionIds(key: string): readonly string[] {
    return this.#history(key).map(({ version }) => version.versionId);
  }

  #history(key: string) {
    return this.model.listVersions(this.#name, { prefix: key }).versions.filter(({ version }) => version.key === key);
  }

  put(key: string, content: string): void {
    this.model.putObject(this.#name, key, { body: Body.of(content) });
  }

  /** The same bytes as one object of several parts. */
  putInParts(key: string, parts: readonly string[]): void {
    const { uploadId } = this.model.createUpload(this.#name, key);
    const sent = parts.map((part, i) => this.model.uploadPart(this.#name, key, { uploadId, partNumber: i + 1, body: Body.of(part) }));
    this.model.completeUpload(this.#name, key, { uploadId, parts: sent.map(({ partNumber, etag }) => ({ partNumber, etag })) });
  }

  delete(key: string): void {
    this.model.deleteObject(this.#name, key);
  }

  /** Removes the current version, be it an object or a delete marker: what was before it is current again. */
  deleteVersion(key: string): void {
    const [latest] = this.model.listVersions(this.#name, { prefix: key, maxKeys: 1 }).versions;
    if (latest?.version.key === key) this.model.deleteObject(this.#name, key, { versionId: latest.version.versionId });
  }

  /** Removes the current object as a lifecycle does. */
  expire(key: string): void {
    this.model.expire(this.#name, key);
  }

  tag(key: string, value: string): void {
    this.model.putTags(this.#name, key, { tags: { written: value } });
  }

  keys(): readonly string[] {
    return this.model.list(this.#name).objects.map(({ key }) => key);
  }

  /** The bucket is made anew: nothing is left, and nothing of it was announced. */
  recreate(): void {
    for (const { version } of this.model.listVersions(this.#name).versions) {
      this.model.deleteObject(this.#name, version.key, { versionId: version.versionId });
    }
    this.model.deleteBucket(this.#name);
    this.#create();
  }

  get #name(): string {
    return this.member.bucket.bucket;
  }

  #create(): void {
    this.model.createBucket(this.#name);
    if (this.member.versioning !== "Unversioned") this.model.setVersioning(this.#name, this.member.versioning);
  }

  /** Whether other keys lie below this one. */
  #lies(key: string): boolean {
    return this.model.list(this.#name, { prefix: `${key}/`, maxKeys: 1 }).objects.length > 0;
  }
}
