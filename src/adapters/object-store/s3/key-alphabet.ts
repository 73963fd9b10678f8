import { randomBytes } from "node:crypto";
import { isReplicationError, ReplicationError } from "../../../domain/error.ts";
import { RESERVED_PREFIX } from "../../../domain/object.ts";
import type { S3ObjectStore } from "./object-store.ts";

/** A kind of key that some stores rewrite, hide or refuse, and a key of that kind around a given stem. */
interface OddKind {
  readonly name: string;
  readonly matches: (key: string) => boolean;
  readonly sample: (stem: string) => string;
}

/** Most file systems end a name here, and stores on top of them a segment of a key. */
const MAX_SEGMENT_BYTES = 255;

const ODD_KINDS: readonly OddKind[] = [
  { name: "a leading '/'", matches: (key) => key.startsWith("/"), sample: (stem) => `/${stem}` },
  { name: "an empty segment ('//')", matches: (key) => key.slice(1).includes("//"), sample: (stem) => `${stem}//x` },
  { name: "a '.' segment", matches: (key) => hasSegment(key, "."), sample: (stem) => `${stem}/./x` },
  { name: "a '..' segment", matches: (key) => hasSegment(key, ".."), sample: (stem) => `${stem}/y/../x` },
  {
    name: `a segment of more than ${MAX_SEGMENT_BYTES} bytes`,
    matches: hasLongSegment,
    sample: (stem) => `${stem}${"x".repeat(1024 - stem.length)}`,
  },
  { name: "a control character", matches: (key) => /[\x00-\x1f\x7f]/.test(key), sample: (stem) => `${stem}\x01x` },
  { name: "a backslash", matches: (key) => key.includes("\\"), sample: (stem) => `${stem}\\x` },
];

/** What could be odd about a key; most keys are dismissed by this alone. */
const SUSPICIOUS = /^\/|\/\/|(?:^|\/)\.{1,2}(?:\/|$)|[\x00-\x1f\x7f\\]|[^/]{64}/;

/**
 * Which keys a bucket can hold as they are (invariant 13), found out by writing, listing and removing one key of a kind the first time such a
 * key is to be written there. Nothing is asked for ordinary keys.
 */
export class KeyAlphabet {
  readonly #store: S3ObjectStore;
  readonly #verdicts = new Map<OddKind, Promise<boolean>>();

  constructor(store: S3ObjectStore) {
    this.#store = store;
  }

  /** Undefined where the bucket holds the key as it is; else the error to record. Answers at once for ordinary keys. */
  refusal(key: string, signal?: AbortSignal): undefined | ReplicationError | Promise<ReplicationError | undefined> {
    if (!SUSPICIOUS.test(key)) return undefined;
    const kinds = ODD_KINDS.filter((kind) => kind.matches(key));
    return kinds.length === 0 ? undefined : this.#firstRefusal(key, kinds, signal);
  }

  /** The kinds of odd keys that the bucket does not hold as they are, each found out by one such key. Not for buckets with object lock. */
  async refusedKinds(signal?: AbortSignal): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const kind of ODD_KINDS) if (!(await this.#holds(kind, signal))) refused.push(kind.name);
    return refused;
  }

  async #firstRefusal(key: string, kinds: readonly OddKind[], signal: AbortSignal | undefined): Promise<ReplicationError | undefined> {
    for (const kind of kinds) {
      if (!(await this.#holds(kind, signal))) return notRepresentable(this.#store, key, kind);
    }
    return undefined;
  }

  #holds(kind: OddKind, signal: AbortSignal | undefined): Promise<boolean> {
    let verdict = this.#verdicts.get(kind);
    if (verdict === undefined) {
      verdict = this.#probe(kind, signal).catch((error: unknown) => {
        this.#verdicts.delete(kind); // not known: asked again with the next such key
        throw error;
      });
      this.#verdicts.set(kind, verdict);
    }
    return verdict;
  }

  async #probe(kind: OddKind, signal: AbortSignal | undefined): Promise<boolean> {
    const stem = `${RESERVED_PREFIX}probe-${randomBytes(6).toString("hex")}`;
    const key = kind.sample(stem);
    if ((await this.#store.describe(signal)).objectLock) return false; // what is written to a locked bucket may have to stay
    const versionId = await this.#tryPut(key, signal);
    if (versionId === "refused") return false;
    const found = await Promise.all([this.#store.list({ prefix: stem, signal }), this.#store.list({ prefix: `/${stem}`, signal })]);
    const listed = found.flatMap((page) => page.objects.map((object) => object.key));
    await this.#store.delete(key, { versionId, signal });
    for (const other of listed) if (other !== key) await this.#store.delete(other, { signal });
    return listed.includes(key);
  }

  /** The version written, undefined on an unversioned bucket. */
  async #tryPut(key: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    try {
      return (await this.#store.put(key, new Uint8Array(0), { signal })).versionId;
    } catch (error) {
      if (isReplicationError(error) && (error.at.status ?? 0) >= 400 && (error.at.status ?? 0) < 500 && !isAboutUs(error)) return "refused";
      throw error;
    }
  }
}

/** Errors that say something of our rights or the bucket, not of the key. */
function isAboutUs(error: ReplicationError): boolean {
  return ["AccessDenied", "InvalidAccessKeyId", "NoSuchBucket", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "SlowDown"].includes(
    error.code,
  );
}

function notRepresentable(store: S3ObjectStore, key: string, kind: OddKind): ReplicationError {
  return new ReplicationError(
    "KeyNotRepresentable",
    `${store.bucket.name} cannot hold a key with ${kind.name} as it is: ${JSON.stringify(key)}`,
    {
      at: { operation: "PutObject", bucket: store.bucket.bucket, key },
      hint: "rename the object, or replicate it to a store that keeps such keys",
    },
  );
}

function hasSegment(key: string, segment: string): boolean {
  return key.split("/").includes(segment);
}

function hasLongSegment(key: string): boolean {
  return key.split("/").some((segment) => Buffer.byteLength(segment) > MAX_SEGMENT_BYTES);
}
