import { hash } from "node:crypto";
import type { Bucket } from "../../../domain/bucket.ts";
import { ReplicationError } from "../../../domain/error.ts";
import type { CannedAcl, ObjectAcl, ObjectLock } from "../../../domain/object.ts";
import type { Restore } from "../../../domain/rule.ts";
import type { ObjectGuards, RestoreOptions } from "../../../ports/object-guards.ts";
import type { ReadOptions } from "../../../ports/object-store.ts";
import { parseAcl } from "./acl.ts";
import type { S3Client, S3Request } from "./client.ts";
import { type Answer, isAbout, type RefusalSubject, toStoreError } from "./errors.ts";
import { elements, elementText } from "./xml.ts";

const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
/** Whose archived tiers take no number of days: what is restored stays until it is archived again. */
const WITHOUT_DAYS = "INTELLIGENT_TIERING";

/** ACL, lock and archive of one bucket behind an S3 endpoint. */
export class S3ObjectGuards implements ObjectGuards {
  readonly #bucket: string;
  readonly #client: S3Client;

  constructor({ bucket }: Bucket, client: S3Client) {
    this.#bucket = bucket;
    this.#client = client;
  }

  async acl(key: string, options: ReadOptions = {}): Promise<ObjectAcl> {
    const request = this.#request({ operation: "GetObjectAcl", method: "GET", key, query: { acl: "" } }, options);
    const answer = await this.#client.send(request);
    if (!isSuccess(answer)) {
      const error = toStoreError(answer, placeOf(request));
      if (error.code === "NotImplemented" || isAbout(error, "acl")) return "private";
      throw error;
    }
    const xml = answer.body.toString("utf8");
    const acl = parseAcl(xml);
    if (acl !== "other" || !/<Permission>FULL_CONTROL<.*<Permission>FULL_CONTROL</s.test(xml)) return acl;
    return parseAcl(xml, await this.#owner(options.signal));
  }

  async putAcl(key: string, acl: CannedAcl, options: ReadOptions = {}): Promise<void> {
    const headers = { "content-length": "0", "x-amz-acl": acl };
    await this.#put({ operation: "PutObjectAcl", key, query: { acl: "" }, headers }, { options, about: "acl" });
  }

  async putLock(key: string, { retention, legalHold }: ObjectLock, options: ReadOptions = {}): Promise<void> {
    if (retention !== undefined) {
      const until = new Date(retention.retainUntil).toISOString();
      const xml = `<Retention ${XMLNS}><Mode>${retention.mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;
      await this.#put({ operation: "PutObjectRetention", key, query: { retention: "" }, ...document(xml) }, { options, about: "lock" });
    }
    if (!legalHold) return;
    const xml = `<LegalHold ${XMLNS}><Status>ON</Status></LegalHold>`;
    await this.#put({ operation: "PutObjectLegalHold", key, query: { "legal-hold": "" }, ...document(xml) }, { options, about: "lock" });
  }

  async restore(key: string, { days, tier }: Restore, options: RestoreOptions = {}): Promise<void> {
    const forDays = options.storageClass === WITHOUT_DAYS ? "" : `<Days>${days}</Days>`;
    const xml = `<RestoreRequest ${XMLNS}>${forDays}<GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters></RestoreRequest>`;
    const rest = { operation: "RestoreObject", method: "POST", key, query: { restore: "" }, ...document(xml) } as const;
    const request = this.#request(rest, options);
    const answer = await this.#client.send(request);
    if (isSuccess(answer) || elementText(answer.body.toString("utf8"), "Code") === "RestoreAlreadyInProgress") return;
    throw toStoreError(answer, placeOf(request));
  }

  /** The bucket's owner; undefined where that may not be known. */
  async #owner(signal: AbortSignal | undefined): Promise<string | undefined> {
    const answer = await this.#client.send(this.#request({ operation: "GetBucketAcl", method: "GET", query: { acl: "" } }, { signal }));
    return isSuccess(answer) ? elementText(elements(answer.body.toString("utf8"), "Owner")[0] ?? "", "ID") : undefined;
  }

  /** A refusal that is about the guard itself says that objects here have none. */
  async #put(
    write: Omit<S3Request, "bucket" | "method" | "signal">,
    { options, about }: { readonly options: ReadOptions; readonly about: RefusalSubject },
  ): Promise<void> {
    const request = this.#request({ ...write, method: "PUT" }, options);
    const answer = await this.#client.send(request);
    if (isSuccess(answer)) return;
    const error = toStoreError(answer, placeOf(request));
    if (!isAbout(error, about)) throw error;
    throw new ReplicationError("NotImplemented", error.message, { at: error.at, cause: error });
  }

  #request(rest: Omit<S3Request, "bucket" | "signal">, { versionId, signal }: ReadOptions): S3Request {
    const query = versionId === undefined ? rest.query : { ...rest.query, versionId };
    return { ...rest, query, bucket: this.#bucket, signal };
  }
}

/** A body that S3 wants to know whole. */
function document(xml: string): Pick<S3Request, "headers" | "body"> {
  const body = Buffer.from(xml);
  const headers = {
    "content-length": String(body.length),
    "content-md5": hash("md5", body, "base64"),
    "content-type": "application/xml",
  };
  return { headers, body };
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function placeOf({ operation, bucket, key }: S3Request): { operation: string; bucket: string; key: string | undefined } {
  return { operation, bucket, key };
}
