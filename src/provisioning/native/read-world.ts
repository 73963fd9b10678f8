import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { Caller, Identity, Role } from "../../ports/identity.ts";
import type { BucketFacts, ReplicationDocument, ReplicationRule } from "../../ports/replication-configuration.ts";
import { allOf } from "../all-of.ts";
import { defaultPathOf, isOwnedId, LOCK_PATH, NAME_TAG, PREVIOUS_ROLE_TAG, REGION_TAG, roleNameOf, SOURCE_TAG } from "../names.ts";
import { bucketArn, type NativeBucket, type NativePair, type Owner } from "../native-pair.ts";
import { isForbidden, type Seen, seen, visible } from "../seen.ts";
import { type ForeignDestination, readForeignDestinations } from "./foreign-destinations.ts";
import { abandonedLocks } from "./lock.ts";
import { createFindKey, type FindKey, type KeyWorld, readRememberedKeys, readReplicaKeys, readSourceKeys } from "./read-keys.ts";
import type { NativePorts, NativeWish, WishedBucket } from "./wish.ts";

export interface BucketWorld {
  readonly wished: WishedBucket;
  /** Undefined: there is no such bucket. */
  readonly facts: Seen<BucketFacts | undefined>;
  /** Whom the credentials of its store belong to. */
  readonly caller: Caller;
  /** Of a bucket that others' accounts replicate to; undefined where it was not looked at. */
  readonly policy: Seen<PolicyDocument | undefined> | undefined;
  /** The key of its default encryption where that is KMS. */
  readonly defaultKey: KeyWorld | undefined;
}

export interface SourceWorld {
  readonly bucket: NativeBucket;
  readonly caller: Caller;
  /** Undefined: there is no such bucket, or not yet. */
  readonly facts: BucketFacts | undefined;
  readonly document: Seen<ReplicationDocument | undefined>;
  /** The role of ours for this source. With a role of one's own: that one. */
  readonly role: Seen<Role | undefined>;
  /** All roles that were made for this source: also the one that its batch jobs use, and those of another prefix or path. */
  readonly ownRoles: readonly Role[];
  /** The role that the document names, where that is one of ours but not the one that it would be now. */
  readonly formerRole: Role | undefined;
  /** The role that the document names, where it is none of ours and can be read. */
  readonly foreignRole: Role | undefined;
  /** The role that the document named before ours, where it is still there. */
  readonly previousRole: Role | undefined;
  /** By their buckets' ARNs. */
  readonly foreignDestinations: ReadonlyMap<string, ForeignDestination>;
  /** KMS keys that its objects use; empty where no rule is about objects under KMS. */
  readonly keys: Seen<readonly KeyWorld[]>;
  /** Keys that its roles may use, or its rules and objects do, each with a bucket at whose place it is asked for: their policies may hold what is ours. */
  readonly rememberedKeys: readonly (readonly [NativeBucket, KeyWorld])[];
}

/** Everything that a plan is made of. */
export interface World {
  /** By canonical id. */
  readonly buckets: ReadonlyMap<string, BucketWorld>;
  readonly sources: readonly SourceWorld[];
  readonly replicaKeys: ReadonlyMap<NativePair, KeyWorld>;
  /** Locks that nobody holds any more, each with a bucket of its account. */
  readonly abandoned: readonly AbandonedLock[];
  readonly notes: readonly string[];
}

export interface AbandonedLock {
  readonly role: Role;
  readonly bucket: NativeBucket;
}

/** Reads all that the wish is about, and what is left of earlier ones. Changes nothing. */
export async function readWorld(wish: NativeWish, ports: NativePorts): Promise<World> {
  const reading = { wish, ports, findKey: createFindKey(ports), callerOf: createCallerOf(ports) };
  const owned = await readOwnRoles(reading);
  const orphans = orphansOf(owned.roles, wish).filter(({ bucket }) => wish.isWhole || wish.orphans?.(bucket) === true);
  const buckets = await allOf([...wish.buckets, ...orphans], (wished) => readBucket(wished, reading));
  const sources = buckets.filter(({ wished }) => wished.isSource);
  return {
    buckets: new Map(buckets.map((bucket) => [bucket.wished.bucket.id, bucket])),
    sources: await allOf(sources, (bucket) => readSource(bucket, owned.roles, reading)),
    replicaKeys: await readReplicaKeys(wish.pairs, reading.findKey),
    abandoned: owned.abandoned,
    notes: owned.notes,
  };
}

/** Name of the role that an ARN ends in. */
export function roleNameIn(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

interface Reading {
  readonly wish: NativeWish;
  readonly ports: NativePorts;
  readonly findKey: FindKey;
  readonly callerOf: (bucket: NativeBucket) => Promise<Caller>;
}

/** Asks each account's identity once, however many buckets it has. */
function createCallerOf(ports: NativePorts): Reading["callerOf"] {
  const known = new Map<Identity, Promise<Caller>>();
  return async (bucket) => {
    const identity = await ports.identityOf(bucket);
    const caller = known.get(identity) ?? identity.caller();
    known.set(identity, caller);
    return caller;
  };
}

async function readBucket(wished: WishedBucket, { wish, ports, findKey, callerOf }: Reading): Promise<BucketWorld> {
  const { bucket } = wished;
  const configuration = await ports.configurationOf(bucket);
  const [facts, caller] = await Promise.all([seen(() => configuration.facts()), callerOf(bucket)]);
  const there = visible(facts);
  const policy = there !== undefined && isShared(bucket, wish) ? await seen(() => configuration.policy()) : undefined;
  const isDestination = wish.pairs.some(({ destination }) => destination.id === bucket.id);
  const keyId = isDestination ? (there?.defaultKeyId ?? null) : null;
  return { wished, facts, caller, policy, defaultKey: keyId === null ? undefined : await findKey(bucket, keyId) };
}

/** Whether rules of another account may lead to the bucket, or may have led there. */
function isShared(bucket: NativeBucket, { buckets }: NativeWish): boolean {
  return buckets.some((other) => other.isSource && other.bucket.account !== bucket.account);
}

interface OwnRoles {
  readonly roles: readonly Role[];
  readonly abandoned: readonly AbandonedLock[];
  readonly notes: readonly string[];
}

/** The roles that were made under this name, in every account that the credentials at hand are of. */
async function readOwnRoles(reading: Reading): Promise<OwnRoles> {
  const { owner, pairs } = reading.wish;
  const { clock } = reading.ports;
  const looks = await allOf(await accountsOf(reading), (account) => readRolesOf(account, reading));
  const hidden = looks.flatMap(({ own, isSource }) => (isSource && isForbidden(own) ? [own.forbidden] : []));
  // Where nothing is wanted nobody was asked for rights to look at roles, nor where there is a role of one's own.
  const isAsked = pairs.length > 0 && owner.roleArn === undefined;
  const notes = isAsked ? hidden.map((why) => `sources that the config no longer names were not looked for: ${why}`) : [];
  const abandoned = looks.flatMap(({ locks, bucket }) => abandonedLocks(locks, owner.name, clock).map((role) => ({ role, bucket })));
  const roles = looks.flatMap(({ own, former }) => [...(visible(own) ?? []), ...former]).filter((role) => isOwn(role, owner));
  return { roles: [...new Map(roles.map((role) => [role.arn, role])).values()], abandoned, notes };
}

/** A bucket of each account, a source where there is one: a destination may be all that is left of an account's sources. */
async function accountsOf({ wish, callerOf }: Reading): Promise<readonly WishedBucket[]> {
  const accounts = new Map<string, WishedBucket>();
  for (const wished of wish.buckets.toSorted((a, b) => Number(b.isSource) - Number(a.isSource))) {
    const { account } = await callerOf(wished.bucket);
    if (!accounts.has(account)) accounts.set(account, wished);
  }
  return [...accounts.values()];
}

/** Also those that were made before the config said where. */
async function readRolesOf({ bucket, isSource }: WishedBucket, { wish: { owner }, ports }: Reading) {
  const identity = await ports.identityOf(bucket);
  const listed = (path: string) => seen(() => identity.roles(path));
  const usual = defaultPathOf(owner.name);
  const [own, former, locks] = await Promise.all([
    listed(owner.path),
    usual.startsWith(owner.path) ? undefined : listed(usual),
    listed(LOCK_PATH),
  ]);
  return { own, former: visible(former) ?? [], locks: visible(locks) ?? [], bucket, isSource };
}

/** What the config names as a role of one's own is not ours, whoever made it. */
function isOwn({ tags, arn }: Role, { name, roleArn }: Owner): boolean {
  return tags[NAME_TAG] === name && arn !== roleArn;
}

/** Sources that a role of ours tells of and the config does not. */
function orphansOf(roles: readonly Role[], { buckets }: NativeWish): readonly WishedBucket[] {
  const known = new Set(buckets.filter(({ isSource }) => isSource).map(({ bucket }) => bucketArn(bucket)));
  const orphans = roles.map(sourceIn).filter((bucket) => bucket !== undefined && !known.has(bucketArn(bucket)));
  const once = new Map(orphans.map((bucket) => [bucket?.bucket, bucket]));
  return [...once.values()].flatMap((bucket) =>
    bucket === undefined ? [] : [{ bucket, mayCreate: false, mayVersion: false, isSource: true, kmsKeys: [] }],
  );
}

/** The bucket that a role was made for. */
function sourceIn({ tags, arn }: Role): NativeBucket | undefined {
  const { [SOURCE_TAG]: id = "", [REGION_TAG]: region = "" } = tags;
  const bucket = id.slice(id.lastIndexOf("/") + 1);
  const [, partition = "", , , account = ""] = arn.split(":");
  return bucket === "" || region === "" ? undefined : { id, name: bucket, bucket, region, partition, account };
}

async function readSource(world: BucketWorld, roles: readonly Role[], reading: Reading): Promise<SourceWorld> {
  const { wish, ports } = reading;
  const { bucket } = world.wished;
  const facts = visible(world.facts);
  const configuration = await ports.configurationOf(bucket);
  const [document, role] = await Promise.all([
    // Of a bucket that may not be looked at nobody knows whether it replicates.
    isForbidden(world.facts) ? world.facts : facts === undefined ? { value: undefined } : seen(() => configuration.replication()),
    readOwnRole(bucket, roles, reading),
  ]);
  const own = visible(role);
  const named = await readRole(foreignArn(visible(document), own), bucket, ports);
  const [formerRole, foreignRole] = named !== undefined && isOwn(named, wish.owner) ? [named] : [undefined, named];
  const remembering = formerRole ?? (wish.owner.roleArn === undefined ? own : undefined);
  const previousRole = await readRole(remembering?.tags[PREVIOUS_ROLE_TAG], bucket, ports);
  const ownRoles = rolesFor(bucket, [...roles, ...[own, formerRole].filter((other) => other !== undefined && isOwn(other, wish.owner))]);
  const keyed = { world, document: visible(document), role: formerRole ?? own };
  const keys = facts === undefined ? NO_KEYS : await keysOf(keyed, reading);
  const buckets = wish.buckets.map((wished) => wished.bucket);
  const replicaKeys = ownRules(visible(document), wish.owner).flatMap(({ destination }) => destination.replicaKmsKeyId ?? []);
  const remembered = await readRememberedKeys({ roles: ownRoles, arns: replicaKeys }, buckets, reading.findKey);
  const rememberedKeys = [...remembered, ...(visible(keys) ?? []).map((key) => [bucket, key] as const)];
  const foreignDestinations = await readForeignDestinations({ source: bucket, document: visible(document), role: keyed.role }, reading);
  const roleWorld = { role, ownRoles, formerRole, foreignRole, previousRole };
  return { bucket, caller: world.caller, facts, document, ...roleWorld, foreignDestinations, keys, rememberedKeys };
}

/** Those of the roles that were made for a source, each once. */
function rolesFor({ bucket, account }: NativeBucket, roles: readonly (Role | undefined)[]): readonly Role[] {
  const found = roles.flatMap((role) => (role !== undefined && sourceIn(role)?.bucket === bucket ? [role] : []));
  return [...new Map(found.map((role) => [role.arn, role])).values()].filter(({ arn }) => arn.split(":")[4] === account);
}

/** Out of the list, or where it is not there by its name: its path may have been another. */
async function readOwnRole(bucket: NativeBucket, roles: readonly Role[], { wish, ports }: Reading): Promise<Seen<Role | undefined>> {
  const { owner } = wish;
  const name = owner.roleArn === undefined ? roleNameOf(owner, bucket) : roleNameIn(owner.roleArn);
  const listed = roles.find((role) => role.name === name && role.arn.split(":")[4] === bucket.account);
  if (listed !== undefined) return { value: listed };
  const identity = await ports.identityOf(bucket);
  return seen(() => identity.role(name));
}

function foreignArn(document: ReplicationDocument | undefined, own: Role | undefined): string | undefined {
  return document === undefined || document.role === "" || document.role === own?.arn ? undefined : document.role;
}

/** Undefined where there is none, where it may not be seen, and where it is another account's. */
async function readRole(arn: string | undefined, bucket: NativeBucket, ports: NativePorts): Promise<Role | undefined> {
  if (arn === undefined || arn.split(":")[4] !== bucket.account) return undefined;
  const identity = await ports.identityOf(bucket);
  const role = visible(await seen(() => identity.role(roleNameIn(arn))));
  return role?.arn === arn ? role : undefined;
}

function ownRules(document: ReplicationDocument | undefined, { name }: Owner): readonly ReplicationRule[] {
  return (document?.rules ?? []).filter(({ id }) => isOwnedId(name, id));
}

const NO_KEYS = { value: [] } as const;

interface KeyedSource {
  readonly world: BucketWorld;
  readonly document: ReplicationDocument | undefined;
  readonly role: Role | undefined;
}

async function keysOf({ world, document, role }: KeyedSource, { wish, ports, findKey }: Reading): Promise<Seen<readonly KeyWorld[]>> {
  const { bucket, kmsKeys } = world.wished;
  const pairs = wish.pairs.filter(({ source }) => source.id === bucket.id);
  const isAsked = pairs.some(({ replicaKmsKeyId }) => replicaKmsKeyId !== undefined);
  const isForeign = pairs.length > 0 && document?.rules.some(({ kmsEncryptedObjects }) => kmsEncryptedObjects);
  // A role of one's own remembers no keys, and they may have statements of ours.
  const isLeft = wish.owner.roleArn !== undefined && ownRules(document, wish.owner).some(({ kmsEncryptedObjects }) => kmsEncryptedObjects);
  if (!isAsked && isForeign !== true && !isLeft) return NO_KEYS;
  const defaultKeyId = visible(world.facts)?.defaultKeyId ?? null;
  return readSourceKeys({ bucket, named: kmsKeys, defaultKeyId, role }, findKey, ports);
}
