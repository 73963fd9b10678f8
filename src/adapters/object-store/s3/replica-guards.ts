import { isReplicationError, type ReplicationError } from "../../../domain/error.ts";
import type { ObjectLock, StoredChecksum } from "../../../domain/object.ts";
import { SHORTEST_RETENTION_MS } from "../../../domain/object-lock.ts";
import type { TransferDestination } from "../../../ports/transfer.ts";
import type { SourceAcl } from "./acl.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { isAbout } from "./errors.ts";
import { lockHeaders, type ResponseHeaders } from "./headers.ts";

/** What stands around the source's bytes, as far as it was read. */
export interface SourceGuards {
  readonly lock?: ObjectLock | undefined;
  /** By S3's name. */
  readonly encryption?: string | undefined;
  /** Only where a destination asks for it. */
  readonly acl?: SourceAcl | undefined;
  readonly checksum?: StoredChecksum | undefined;
}

/** What a write does: `create` begins an upload in parts, `copy` leaves the bytes to the store. */
export type WriteForm = "put" | "copy" | "create";

const ENCRYPTION = "x-amz-server-side-encryption";
/** What replicast hands on; of others a store could not tell what they are. */
const CHECKSUMS: ReadonlySet<string> = new Set(["crc32", "crc32c", "crc64nvme", "sha1", "sha256"]);
/** Kinds that a destination can be asked for without a key of its own. */
const KINDS: ReadonlySet<string> = new Set(["AES256", "aws:kms", "aws:kms:dsse"]);

type Guard = "acl" | "checksum" | "encryption" | "lock" | "retention";

const NOTES: Readonly<Record<Guard, string>> = {
  acl: "AclNotKept",
  checksum: "ChecksumNotKept",
  encryption: "EncryptionNotKept",
  lock: "ObjectLockNotKept",
  retention: "RetentionExpired",
};

/** The guards of one replica: asked for with its write, given up with a note where the destination cannot give them. */
export class ReplicaGuards {
  readonly #destination: TransferDestination;
  readonly #facts: BucketFacts;
  readonly #notes: Set<string>;
  readonly #without = new Set<Guard>();
  /** What the last request asked for, by the name under which a refusal is remembered. */
  #asked = new Map<Guard, string>();
  #locksObjects = true;
  #encryptsByDefault: boolean | undefined = true;

  constructor(destination: TransferDestination, facts: BucketFacts, notes: Set<string>) {
    this.#destination = destination;
    this.#facts = facts;
    this.#notes = notes;
  }

  /**
   * Learns, once per bucket, what decides which guards are asked for. What cannot be learned does not end the copy: the write is then made as
   * if the bucket could, and its answer shows.
   */
  async prepare(source: SourceGuards, signal: AbortSignal | undefined): Promise<void> {
    if (this.#lock(source) !== undefined) this.#locksObjects = await orElse(this.#facts.locksObjects(signal), true);
    if (this.#kind(source) === "AES256") this.#encryptsByDefault = await orElse(this.#facts.encryptsByDefault(signal), undefined);
  }

  /** The request headers that ask for the guards. */
  headers(source: SourceGuards, form: WriteForm): Record<string, string> {
    this.#asked = new Map();
    return {
      ...this.#encryptionHeaders(source),
      ...this.#lockHeaders(source),
      ...this.#aclHeaders(source),
      ...this.#checksumHeaders(source, form),
    };
  }

  /** Whether the replica's retention or hold goes with the request, for which S3 wants a digest of the bytes too. */
  locks(source: SourceGuards): boolean {
    return Object.keys(this.#lockHeaders(source)).length > 0;
  }

  /** The checksum that the parts of an upload have to come with. */
  checksum({ checksum }: SourceGuards): StoredChecksum | undefined {
    if (checksum === undefined || !CHECKSUMS.has(checksum.algorithm)) return undefined;
    return this.#isRefused("checksum", checksum.algorithm) ? undefined : checksum;
  }

  /** Whether the answer to the write should say how the replica is encrypted. */
  asksForEncryption(source: SourceGuards): boolean {
    return this.#destination.encryption !== undefined || this.#kind(source) !== undefined;
  }

  /** Whether the replica is encrypted under a key, which is then part of its ETag. */
  hasKeyInEtag(source: SourceGuards): boolean {
    const kind = this.#destination.encryption?.type ?? this.#kind(source);
    return kind?.startsWith("aws:kms") === true;
  }

  /** Whether the replica can be written without what was refused, which it then does, with a note. */
  canDoWithout(error: ReplicationError): boolean {
    const refused = this.#refusedBy(error);
    if (refused === undefined) return false;
    const kind = this.#asked.get(refused) ?? "";
    this.#without.add(refused);
    this.#noteRefused(refused, kind);
    // A retention that is over says nothing of the bucket.
    if (refused !== "retention") this.#facts.refusedGuards.add(refusalName(refused, kind));
    return true;
  }

  /** Leaves the checksum out although nothing is said against its kind: the source's own does not fit the bytes. */
  giveUpChecksum(): boolean {
    if (!this.#asked.has("checksum")) return false;
    this.#giveUp("checksum");
    return true;
  }

  /** Notes what a success shows to have been ignored. Returns whether the store has checked the bytes by the source's checksum. */
  settle(source: SourceGuards, answered: ResponseHeaders): boolean {
    const wanted = this.#destination.encryption === undefined ? this.#kind(source) : undefined;
    const given = answered[ENCRYPTION];
    // Under a key where none was asked for is no less than was asked for.
    const isKept = wanted === undefined || given === wanted || (wanted === "AES256" && given !== undefined);
    if (!isKept) this.#notes.add(NOTES.encryption);
    if (this.#asked.has("acl") && !this.#facts.profile.keepsAcls) this.#notes.add(NOTES.acl);
    const algorithm = this.#asked.get("checksum");
    if (algorithm === undefined) return false;
    const isEchoed = answered[`x-amz-checksum-${algorithm}`] === source.checksum?.value;
    if (!isEchoed) this.#noteRefused("checksum", algorithm);
    return isEchoed;
  }

  #giveUp(guard: Guard): void {
    this.#without.add(guard);
    this.#notes.add(NOTES[guard]);
  }

  #refusedBy(error: ReplicationError): Guard | undefined {
    if (isAbout(error, "customerKey")) return undefined; // about the source
    if (this.#destination.encryption !== undefined && isAbout(error, "encryption")) return undefined; // never given up
    const named = (["retention", "lock", "acl", "checksum", "encryption"] as const).find(
      (guard) => this.#asked.has(guard) && isAbout(error, guard),
    );
    if (named !== undefined || error.code !== "NotImplemented" || this.#destination.encryption !== undefined) return named;
    return [...this.#asked.keys()].find((guard) => guard !== "retention");
  }

  #isRefused(guard: Guard, kind: string): boolean {
    if (this.#without.has(guard)) return true;
    if (!this.#facts.refusedGuards.has(refusalName(guard, kind))) return false;
    this.#noteRefused(guard, kind);
    return true;
  }

  /** S3 gives every object a CRC64NVME of its own accord: where a store has none, nothing that a client gave is lost. */
  #noteRefused(guard: Guard, kind: string): void {
    if (guard !== "checksum" || kind !== "crc64nvme") this.#notes.add(NOTES[guard]);
  }

  #lock({ lock }: SourceGuards): ObjectLock | undefined {
    return this.#destination.preserve.objectLock ? lock : undefined;
  }

  #lockHeaders(source: SourceGuards): Record<string, string> {
    const lock = this.#lock(source);
    if (lock === undefined) return {};
    if (!this.#locksObjects || this.#isRefused("lock", "")) {
      this.#giveUp("lock");
      return {};
    }
    const now = Date.now() + (this.#facts.store.client.clockSkewMs ?? 0);
    const isOver = lock.retention !== undefined && lock.retention.retainUntil < now + SHORTEST_RETENTION_MS;
    if (isOver) this.#giveUp("retention");
    const retention = this.#without.has("retention") ? undefined : lock.retention;
    if (retention === undefined && !lock.legalHold) return {};
    this.#asked.set("lock", "");
    if (retention !== undefined) this.#asked.set("retention", "");
    return lockHeaders({ retention, legalHold: lock.legalHold });
  }

  /** The source's kind of encryption, where the replica is to have it and the destination names none of its own. */
  #kind({ encryption }: SourceGuards): string | undefined {
    const { preserve, encryption: given } = this.#destination;
    const isWanted = preserve.encryption && given === undefined && encryption !== undefined && KINDS.has(encryption);
    return isWanted && !this.#without.has("encryption") ? encryption : undefined;
  }

  #encryptionHeaders(source: SourceGuards): Record<string, string> {
    const { encryption: given } = this.#destination;
    if (given !== undefined) {
      const headers: Record<string, string> = { [ENCRYPTION]: given.type };
      if (given.keyId !== undefined) headers[`${ENCRYPTION}-aws-kms-key-id`] = given.keyId;
      return headers;
    }
    const kind = this.#kind(source);
    if (kind === undefined || this.#isRefused("encryption", kind)) return {};
    // Asked for by name it would take the place of the bucket's own, which may be by a key.
    if (kind === "AES256" && this.#encryptsByDefault !== false) return {};
    this.#asked.set("encryption", kind);
    return { [ENCRYPTION]: kind };
  }

  #aclHeaders({ acl }: SourceGuards): Record<string, string> {
    // A new object is its owner's alone by itself.
    if (!this.#destination.preserve.acl || acl === undefined || acl === "private" || this.#isRefused("acl", "")) return {};
    if (acl === "other") {
      this.#giveUp("acl");
      return {};
    }
    this.#asked.set("acl", "");
    return { "x-amz-acl": acl };
  }

  /** A copy within the store keeps its checksum by itself. */
  #checksumHeaders(source: SourceGuards, form: WriteForm): Record<string, string> {
    const checksum = form === "copy" ? undefined : this.checksum(source);
    if (checksum === undefined || (form === "put" && checksum.type === "COMPOSITE")) return {};
    this.#asked.set("checksum", checksum.algorithm);
    if (form === "put") return { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value };
    return { "x-amz-checksum-algorithm": checksum.algorithm.toUpperCase(), "x-amz-checksum-type": checksum.type };
  }
}

function refusalName(guard: Guard, kind: string): string {
  return `${guard} ${kind}`;
}

/** What the bucket says of itself, or this where it says nothing for now. */
async function orElse<T>(asked: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (isReplicationError(error)) return otherwise;
    throw error;
  }
}
