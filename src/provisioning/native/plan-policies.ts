import type { ReplicationError } from "../../domain/error.ts";
import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { EncryptionKey } from "../../ports/encryption-keys.ts";
import type { HandOver, Problem, Step } from "../change.ts";
import { isOwnedSid } from "../names.ts";
import type { NativeBucket, NativePair } from "../native-pair.ts";
import { patiently } from "../patience.ts";
import { destinationStatements, type MergedStatements, mergeStatements, type StatementMerge } from "../policies/bucket-policy.ts";
import { delegatesToIam, keyStatements } from "../policies/key-policy.ts";
import { POLICY_VERSION } from "../policies/role-policy.ts";
import { isForbidden, visible } from "../seen.ts";
import type { Phases } from "./phases.ts";
import { isReachable } from "./preflight.ts";
import { type KeyWorld, keyArnOf } from "./read-keys.ts";
import type { BucketWorld, World } from "./read-world.ts";
import { isCrossAccount } from "./replication-rules.ts";
import type { NativePorts, NativeWish } from "./wish.ts";

export interface PoliciesPlan extends Pick<Phases, "policies" | "leftovers"> {
  readonly handOvers: readonly HandOver[];
  readonly problems: readonly Problem[];
}

export interface Granting {
  readonly wish: NativeWish;
  readonly world: World;
  readonly ports: NativePorts;
  readonly roleArnOf: (source: NativeBucket) => string;
  /** Whose statements may be removed: those of the sources that this plan is about. */
  readonly owned: (sid: string) => boolean;
}

/** Lets the sources' roles write to buckets of other accounts: there where the credentials reach, else by a file for who may. */
export function planBucketPolicies(granting: Granting): PoliciesPlan {
  return joined([...granting.world.buckets.values()].map((bucket) => bucketPolicy(bucket, granting)));
}

function bucketPolicy(world: BucketWorld, { wish, ports, roleArnOf, owned }: Granting): Partial<PoliciesPlan> {
  const { bucket } = world.wished;
  const pairs = wish.pairs.filter((pair) => pair.destination.id === bucket.id && isCrossAccount(pair));
  const wanted = pairs.flatMap((pair) => destinationStatements(wish.owner.name, pair, roleArnOf(pair.source)));
  const policy = visible(world.policy);
  const merge = { owned, wanted };
  const merged = mergeStatements(policy, merge);
  if (merged.isSame) return {};
  if (!isReachable(world) || isForbidden(world.policy)) return wanted.length === 0 ? {} : { handOvers: [handOver(world, merged)] };
  const change = ({ policy: next }: MergedStatements, aim: StatementMerge): Step => {
    const make = async () => {
      const configuration = await ports.configurationOf(bucket);
      // Read again: what others have written meanwhile must not be lost.
      const set = async () => {
        const now = mergeStatements(await configuration.policy(), aim);
        if (!now.isSame) await configuration.putPolicy(now.policy);
      };
      await patiently(set, isRoleUnknown, ports.clock);
    };
    const detail = { bucket: bucket.name, policy: next ?? null };
    return { changes: [{ action: actionOf(policy, next), type: "policy", id: `${bucket.name}/policy`, detail }], make };
  };
  return phased(policy, merge, change);
}

/** S3 and KMS refuse a policy about a role that was made a moment ago, until IAM has told them of it. */
function isRoleUnknown({ cause }: ReplicationError): boolean {
  return /^MalformedPolicy(Document)?(Exception)?$/.test(toRefusal(cause).name);
}

/** Rights are given before the rules that need them, and taken after the last one has gone. */
function phased(
  policy: PolicyDocument | undefined,
  merge: StatementMerge,
  change: (merged: MergedStatements, aim: StatementMerge) => Step,
): Partial<PoliciesPlan> {
  const given = { ...merge, keeps: true };
  const wider = mergeStatements(policy, given);
  const last = mergeStatements(wider.policy, merge);
  return {
    policies: wider.isSame ? [] : [change(wider, given)],
    leftovers: last.isSame ? [] : [change(last, merge)],
  };
}

function handOver({ wished: { bucket } }: BucketWorld, { policy }: MergedStatements): HandOver {
  return { account: bucket.account, kind: "bucket-policy", subject: bucket.bucket, document: policy };
}

function actionOf(found: PolicyDocument | undefined, next: PolicyDocument | undefined): "create" | "update" | "delete" {
  if (found === undefined) return "create";
  return next === undefined ? "delete" : "update";
}

/** Lets the sources' roles use KMS keys that do not leave that to IAM, or are another account's. */
export function planKeyPolicies(granting: Granting): PoliciesPlan {
  return joined([...usesOf(granting).values()].map((use) => keyPolicy(use, granting)));
}

/** A key with everything that is wanted of it. */
interface KeyUse {
  readonly world: KeyWorld;
  /** Whose credentials set the policy. */
  readonly bucket: NativeBucket;
  readonly isReachable: boolean;
  readonly statements: readonly PolicyStatement[];
}

/** By ARN: one key may serve many pairs, and both ends of them. */
function usesOf(granting: Granting): ReadonlyMap<string, KeyUse> {
  const uses = new Map<string, KeyUse>();
  const add = (world: KeyWorld, bucket: NativeBucket, statements: readonly PolicyStatement[]) => {
    const id = visible(world.key)?.arn ?? world.id;
    const use = uses.get(id) ?? { world, bucket, isReachable: reaches(world, bucket, granting.world), statements: [] };
    uses.set(id, { ...use, statements: [...use.statements, ...statements] });
  };
  for (const [bucket, key] of granting.world.sources.flatMap(({ rememberedKeys }) => rememberedKeys)) add(key, bucket, []);
  for (const pair of granting.wish.pairs) {
    for (const { world, bucket, usage } of keysOf(pair, granting.world)) {
      const isNeeded = needsGrant(world, pair);
      add(
        world,
        bucket,
        isNeeded ? keyStatements(granting.wish.owner.name, pair, { roleArn: granting.roleArnOf(pair.source), usage }) : [],
      );
    }
  }
  return uses;
}

interface UsedKey {
  readonly world: KeyWorld;
  readonly bucket: NativeBucket;
  readonly usage: "source" | "replica";
}

function keysOf(pair: NativePair, world: World): readonly UsedKey[] {
  const defaultKey = world.buckets.get(pair.destination.id)?.defaultKey;
  // Replicas that no rule has a key for are encrypted as their bucket says.
  const byDefault = defaultKey === undefined || keyArnOf(defaultKey) === undefined ? [] : [defaultKey];
  const replica = world.replicaKeys.get(pair);
  const replicas = [...new Set([...(replica === undefined ? [] : [replica]), ...byDefault])];
  const written = replicas.map((key) => ({ world: key, bucket: pair.destination, usage: "replica" as const }));
  if (replica === undefined) return written;
  const source = world.sources.find(({ bucket }) => bucket.id === pair.source.id);
  const sourceKeys = (visible(source?.keys) ?? []).map((key) => ({ world: key, bucket: pair.source, usage: "source" as const }));
  return [...sourceKeys, ...written];
}

/** A key that leaves the decision to IAM needs nothing within its account; AWS's own cannot be told anything. */
function needsGrant({ key, policy, id }: KeyWorld, { source }: NativePair): boolean {
  const there = visible(key);
  if (there?.isAwsManaged === true) return false;
  const account = there?.account ?? id.split(":")[4];
  if (account !== source.account) return true;
  const document = visible(policy);
  // What cannot be read most likely is as KMS makes it.
  return document !== undefined && !delegatesToIam(document, source.account, source.partition);
}

/** Whether the policy of a key may be set from here. */
export function reaches({ key, policy }: KeyWorld, bucket: NativeBucket, world: World): boolean {
  const caller = world.buckets.get(bucket.id)?.caller;
  return visible(policy) !== undefined && visible(key)?.account === caller?.account;
}

function keyPolicy(use: KeyUse, { ports, owned }: Granting): Partial<PoliciesPlan> {
  const key = visible(use.world.key);
  const policy = visible(use.world.policy);
  const merge = { owned, wanted: use.statements };
  if (key === undefined || policy === undefined || !use.isReachable)
    return use.statements.length === 0 ? {} : { handOvers: [keyHandOver(use, policy, merge)] };
  const merged = mergeStatements(policy, merge);
  if (merged.isSame) return {};
  const change = ({ policy: next }: MergedStatements, aim: StatementMerge): Step => {
    const make = async () => {
      const keys = await ports.keysOf(use.bucket);
      const set = async () => {
        const now = mergeStatements(await keys.policy(key.arn), aim);
        if (!now.isSame && now.policy !== undefined) await keys.putPolicy(key.arn, now.policy);
      };
      await patiently(set, isRoleUnknown, ports.clock);
    };
    return { changes: [{ action: "update", type: "key-policy", id: key.arn, detail: { policy: next } }], make };
  };
  return phased(policy, merge, change);
}

function keyHandOver({ world, statements }: KeyUse, policy: PolicyDocument | undefined, merge: StatementMerge): HandOver {
  const arn = (visible(world.key) as EncryptionKey | undefined)?.arn ?? world.id;
  const document = policy === undefined ? { Version: POLICY_VERSION, Statement: statements } : mergeStatements(policy, merge).policy;
  return { account: arn.split(":")[4] ?? "", kind: "key-policy", subject: arn, document };
}

function joined(plans: readonly Partial<PoliciesPlan>[]): PoliciesPlan {
  return {
    policies: plans.flatMap(({ policies }) => policies ?? []),
    leftovers: plans.flatMap(({ leftovers }) => leftovers ?? []),
    handOvers: plans.flatMap(({ handOvers }) => handOvers ?? []),
    problems: plans.flatMap(({ problems }) => problems ?? []),
  };
}

/** Statements of this name; where the plan is not about all of its sources, of those alone. */
export function ownedBy(name: string, sources: readonly NativeBucket[] | "all"): (sid: string) => boolean {
  if (sources === "all") return (sid) => isOwnedSid(name, sid);
  return (sid) => sources.some((source) => isOwnedSid(name, sid, source));
}
