import { randomBytes } from "node:crypto";
import { isReplicationError } from "../../../domain/error.ts";
import { RESERVED_PREFIX } from "../../../domain/object.ts";
import type { Capabilities, ObjectStore } from "../../../ports/object-store.ts";
import type { S3Client } from "./client.ts";
import { copySourceHeader } from "./copy-source-header.ts";
import { toStoreError } from "./errors.ts";
import { unquoteEtag } from "./headers.ts";
import { etagOf } from "./write-result.ts";
import { elementText } from "./xml.ts";

const NOTHING: Capabilities = { conditionalPut: false, conditionalCopy: false, conditionalComplete: false, conditionalDelete: false };
/** No body of the probe has it. */
const OTHER_ETAG = "0".repeat(32);
const ABSENT = { "if-none-match": "*" };
const OTHER = { "if-match": `"${OTHER_ETAG}"` };

/** A bucket, and the client that its other operations go through. */
export interface ProbedStore extends Pick<ObjectStore, "bucket" | "describe" | "head" | "delete" | "listVersions"> {
  readonly client: S3Client;
}

type Headers = Readonly<Record<string, string>>;

/**
 * Finds out which conditions a bucket honours: a key is written, copied, completed and removed under conditions that do not hold, which a
 * store that honours them refuses. A store that ignores one answers with success, and that is how it is told.
 *
 * Leaves nothing behind: no version, no marker, no upload. Writes nothing to a bucket with object lock, where what is written may have to
 * stay: there nothing counts as honoured.
 */
export async function probeCapabilities(store: ProbedStore): Promise<Capabilities> {
  const { objectLock, versioning } = await store.describe();
  if (objectLock) return NOTHING;
  const probe = new Probe(store);
  try {
    return {
      conditionalPut: await probe.put(),
      conditionalCopy: await probe.copy(),
      conditionalComplete: await probe.complete(),
      conditionalDelete: await probe.delete(),
    };
  } finally {
    await probe.clean(versioning !== "Unversioned").catch(leftBehind);
  }
}

/** What was found out holds although the probe may not be removed: whoever may write and not delete leaves one small key, once. */
function leftBehind(error: unknown): void {
  if (!isReplicationError(error) || error.code !== "AccessDenied") throw error;
}

class Probe {
  readonly #store: ProbedStore;
  readonly #key = `${RESERVED_PREFIX}probe-${randomBytes(8).toString("hex")}`;

  constructor(store: ProbedStore) {
    this.#store = store;
  }

  /** Leaves the key there whatever it finds. */
  async put(): Promise<boolean> {
    const write = (text: string, condition: Headers) => verdict(() => this.#put(text, condition));
    const isUnderstood = (await write("1", ABSENT)) === "done";
    const etag = await this.#put("2", {});
    return (
      isUnderstood &&
      (await write("3", ABSENT)) === "refused" &&
      (await write("3", OTHER)) === "refused" &&
      (await write("3", { "if-match": `"${etag}"` })) === "done"
    );
  }

  async copy(): Promise<boolean> {
    const write = (condition: Headers) => verdict(() => this.#copy(condition));
    return (await write(ABSENT)) === "refused" && (await write(OTHER)) === "refused" && (await write(await this.#current())) === "done";
  }

  async complete(): Promise<boolean> {
    const write = (condition: Headers) => verdict(() => this.#upload(condition));
    return (await write(ABSENT)) === "refused" && (await write(OTHER)) === "refused" && (await write(await this.#current())) === "done";
  }

  async delete(): Promise<boolean> {
    if ((await verdict(() => this.#store.delete(this.#key, { ifMatch: OTHER_ETAG }))) !== "refused") return false;
    return (await this.#store.head(this.#key)) !== undefined;
  }

  /** Removes all that the probe wrote; a versioned bucket keeps each write until it is removed by its id. */
  async clean(isVersioned: boolean): Promise<void> {
    if (!isVersioned) {
      await this.#store.delete(this.#key);
      return;
    }
    const { versions } = await this.#store.listVersions({ prefix: this.#key });
    for (const { key, versionId } of versions) await this.#store.delete(key, { versionId });
  }

  async #current(): Promise<Headers> {
    const state = await this.#store.head(this.#key);
    return { "if-match": `"${state?.etag ?? OTHER_ETAG}"` };
  }

  async #put(text: string, condition: Headers): Promise<string> {
    const body = Buffer.from(text);
    const answer = await this.#expect("PutObject", "PUT", { headers: { "content-length": "1", ...condition }, body });
    return unquoteEtag(answer.headers["etag"] ?? "");
  }

  /** Onto itself: S3 allows that where the metadata is replaced. */
  async #copy(condition: Headers): Promise<void> {
    const source = { "x-amz-copy-source": copySourceHeader(this.#store.bucket.bucket, this.#key), "x-amz-metadata-directive": "REPLACE" };
    await this.#expect("CopyObject", "PUT", { headers: { ...source, ...condition } });
  }

  /** An upload of one part, aborted where it is not completed. */
  async #upload(condition: Headers): Promise<void> {
    const begun = await this.#expect("CreateMultipartUpload", "POST", { query: { uploads: "" } });
    const uploadId = elementText(begun.body.toString("utf8"), "UploadId") ?? "";
    try {
      const part = await this.#expect("UploadPart", "PUT", {
        query: { partNumber: "1", uploadId },
        headers: { "content-length": "1" },
        body: Buffer.from("4"),
      });
      const xml = `<Part><PartNumber>1</PartNumber><ETag>${part.headers["etag"] ?? ""}</ETag></Part>`;
      const body = Buffer.from(`<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>`);
      const headers = { "content-length": String(body.length), "content-type": "application/xml", ...condition };
      await this.#expect("CompleteMultipartUpload", "POST", { query: { uploadId }, headers, body });
    } catch (error) {
      await this.#forget(uploadId);
      throw error;
    }
  }

  async #forget(uploadId: string): Promise<void> {
    const place = { operation: "AbortMultipartUpload", bucket: this.#store.bucket.bucket, key: this.#key };
    const answer = await this.#store.client.send({ ...place, method: "DELETE", query: { uploadId } });
    if (answer.status !== 204 && answer.status !== 404) throw toStoreError(answer, place);
  }

  async #expect(
    operation: string,
    method: "PUT" | "POST",
    rest: { readonly query?: Headers; readonly headers?: Headers; readonly body?: Buffer },
  ): Promise<Awaited<ReturnType<ProbedStore["client"]["send"]>>> {
    const place = { operation, bucket: this.#store.bucket.bucket, key: this.#key };
    const answer = await this.#store.client.expect({ ...place, method, ...rest });
    // No trust in a 200: a copy or a Complete may carry its refusal in the body.
    const isRefusal = answer.body.includes("<Error>") && etagOf(answer.body.toString("utf8")) === "";
    if (isRefusal) throw toStoreError({ ...answer, status: 500 }, place);
    return answer;
  }
}

/** What became of a request under a condition; `unknown`: the store does not know the header, or not for this operation. */
async function verdict(work: () => Promise<unknown>): Promise<"done" | "refused" | "unknown"> {
  try {
    await work();
    return "done";
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    if (error.code === "PreconditionFailed") return "refused";
    if (error.at.status === 400 || error.at.status === 501) return "unknown";
    throw error;
  }
}
