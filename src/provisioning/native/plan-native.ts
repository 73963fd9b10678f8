import type { HandOver, Problem, Step } from "../change.ts";
import { ruleIdOf } from "../names.ts";
import { bucketArn, type NativeBucket, type NativePair } from "../native-pair.ts";
import { awaitPropagation } from "../policies/propagation.ts";
import { isForbidden, visible } from "../seen.ts";
import { type GoneRules, handedOverNotes } from "./handed-over.ts";
import { operatorProblems, type RoleChange } from "./operator-rights.ts";
import { type Phases, together } from "./phases.ts";
import { planBuckets } from "./plan-buckets.ts";
import { planAbandonedLocks, planAdoptedRoles, planFormerRoles, planOwnRoles } from "./plan-leftovers.ts";
import { type Granting, ownedBy, planBucketPolicies, planKeyPolicies } from "./plan-policies.ts";
import { NO_ROLE, planRole, type RolePlan, roleArnOf } from "./plan-role.ts";
import { planRules, type RulesPlan } from "./plan-rules.ts";
import { preflight } from "./preflight.ts";
import { readWorld, roleNameIn, type SourceWorld, type World } from "./read-world.ts";
import type { NativePlan, NativePorts, NativeWish } from "./wish.ts";

/**
 * Finds what has to change for S3 to replicate by itself what is wished, and for nothing else to be left of what was set up under this name.
 * Reads only; the changes are made by the steps. A step that was made already changes nothing, so that a plan that was broken off is completed
 * by the next.
 */
export async function planNative(asked: NativeWish, ports: NativePorts, signal?: AbortSignal): Promise<NativePlan> {
  const read = await readWorld(asked, ports);
  const planning: Planning = { ...withKeyArns(asked, read), ports, signal };
  const { wish, world } = planning;
  const plans = world.sources.filter((source) => isOpen(source, wish)).map((source) => planSource(source, planning));
  const granting = grantingOf(planning);
  const policies = [planBucketPolicies(granting), planKeyPolicies(granting)];
  const adopted = planAdoptedRoles(
    plans.map(({ source, rules }) => ({ source, merged: rules.merged })),
    ports,
  );
  const found = [...preflight(wish, world), ...plans.flatMap(({ role, rules }) => [...role.problems, ...rules.merged.problems])];
  const clear = plans.filter((plan) => !isBlocked(plan, found, wish));
  const phases = together([
    planBuckets(wish, world, ports),
    ...clear.map(({ role, rules }) => ({ roles: role.steps, rules: rules.steps })),
    // A policy is put as a whole too, and may let in the role of a source that is blocked.
    ...(clear.length < plans.length ? [] : policies),
    { leftovers: [...(found.length > 0 ? [] : adopted), ...planAbandonedLocks(world, wish.owner.name, ports)] },
    ...clear.map(({ role, roleDeletions }) => ({ leftovers: [...role.narrowing, ...roleDeletions] })),
  ]);
  const handOvers = policies.flatMap((plan) => plan.handOvers);
  return {
    steps: inOrder(phases, propagation(clear, planning)),
    // Whether one may is asked only where it is known that something can be done.
    problems: found.length > 0 ? found : await operatorProblems(roleChanges(plans, wish), ports),
    notes: [
      ...world.notes,
      ...plans.flatMap(({ role }) => role.notes),
      ...hiddenNotes(world, wish),
      ...handOvers.map(handOverNote),
      ...handedOverNotes(plans.map(goneRules), world),
    ],
    handOvers,
    contested: plans.filter((plan) => isChanging(plan) || adopted.length > 0).map(({ source }) => source.bucket),
    created: plans.flatMap(({ pairs, rules }) => pairs.filter((pair) => isCreated(pair, rules, wish))),
  };
}

interface Planning {
  readonly wish: NativeWish;
  readonly world: World;
  readonly ports: NativePorts;
  readonly signal: AbortSignal | undefined;
}

interface SourcePlan {
  readonly source: SourceWorld;
  readonly pairs: readonly NativePair[];
  readonly rules: RulesPlan;
  readonly role: RolePlan;
  readonly roleDeletions: readonly Step[];
  /** Rules are made or changed. */
  readonly widens: boolean;
}

/** Rules, roles and policies name a key by its ARN, however the config does. */
function withKeyArns(wish: NativeWish, world: World): Pick<Planning, "wish" | "world"> {
  const replicaKeys = new Map<NativePair, NonNullable<ReturnType<World["replicaKeys"]["get"]>>>();
  const pairs = wish.pairs.map((pair) => {
    const key = world.replicaKeys.get(pair);
    if (key === undefined) return pair;
    const named = { ...pair, replicaKmsKeyId: visible(key.key)?.arn ?? pair.replicaKmsKeyId };
    replicaKeys.set(named, key);
    return named;
  });
  return { wish: { ...wish, pairs }, world: { ...world, replicaKeys } };
}

/** Whether all is seen that a change of the source has to respect. */
function isOpen({ document, role }: SourceWorld, { owner }: NativeWish): boolean {
  return !isForbidden(document) && (owner.roleArn !== undefined || !isForbidden(role));
}

function planSource(source: SourceWorld, { wish, world, ports }: Planning): SourcePlan {
  const pairs = wish.pairs.filter((pair) => pair.source.id === source.bucket.id);
  const roleArn = roleArnOf(wish.owner, source.bucket, visible(source.role));
  const rules = planRules(source, pairs, { wish, roleArn, ports });
  const { merged, previousRole } = rules;
  const widens = pairs.length > 0 && rules.steps.length > 0 && !isRemoval(rules, source);
  const roleWish = { source, pairs, foreign: merged.foreign, previousRole, widens };
  const role = pairs.length === 0 ? NO_ROLE : planRole(roleWish, wish, { world, ports });
  const settled = { source, merged };
  const roleDeletions = pairs.length === 0 ? planOwnRoles(settled, ports) : planFormerRoles(settled, roleArn, ports);
  return { source, pairs, rules, role, roleDeletions, widens };
}

/** Whether rules of ours go, and nothing else happens: what stays keeps its role. */
function isRemoval({ merged }: RulesPlan, { document, role }: SourceWorld): boolean {
  const { created, updated, deleted, adopted, converted, replaced } = merged;
  if (merged.document.role !== visible(document)?.role || visible(role) === undefined) return false;
  return deleted.length > 0 && created.length + updated.length + adopted.length + converted.length + replaced.length === 0;
}

/** Whether anything stands in the way of what the source is to do: its document is put as a whole or not at all. */
function isBlocked({ source, pairs, role }: SourcePlan, problems: readonly Problem[], { owner }: NativeWish): boolean {
  const arn = roleArnOf(owner, source.bucket, visible(source.role));
  const subjects = new Set([source.bucket.name, arn, ...pairs.map(({ destination }) => destination.name)]);
  return role.problems.length > 0 || problems.some(({ subject }) => subjects.has(subject));
}

/** The rules that go, and no other of the source's leads to the same bucket. */
function goneRules({ source, pairs, rules }: SourcePlan): GoneRules {
  const kept = new Set(pairs.map(({ destination }) => bucketArn(destination)));
  const found = visible(source.document)?.rules ?? [];
  return { source, rules: found.filter(({ id, destination }) => rules.merged.deleted.includes(id) && !kept.has(destination.bucketArn)) };
}

function grantingOf({ wish, world, ports }: Planning): Granting {
  const roles = new Map(world.sources.map(({ bucket, role }) => [bucket.id, visible(role)]));
  const sources = world.sources.map(({ bucket }) => bucket);
  return {
    wish,
    world,
    ports,
    roleArnOf: (source: NativeBucket) => roleArnOf(wish.owner, source, roles.get(source.id)),
    owned: ownedBy(wish.owner.name, wish.isWhole ? "all" : sources),
  };
}

/** No rule is put before its role is known everywhere; also where an earlier apply made the role and came no further. */
function propagation(plans: readonly SourcePlan[], { wish, ports, signal }: Planning): readonly Step[] {
  const waiting = plans.flatMap(({ source, role, widens }) =>
    widens && role.policy !== undefined ? [{ source, policy: role.policy }] : [],
  );
  if (waiting.length === 0) return [];
  const wait = async ({ source, policy }: (typeof waiting)[number]) => {
    const roleArn = roleArnOf(wish.owner, source.bucket, visible(source.role));
    const identity = await ports.identityOf(source.bucket);
    const role = roleNameIn(roleArn);
    return awaitPropagation({ identity, role, roleArn, policy, waitMs: wish.propagationMs, clock: ports.clock, signal });
  };
  const make = async () => {
    await Promise.all(waiting.map(wait));
  };
  return [{ changes: [], make }];
}

function inOrder(phases: Phases, waiting: readonly Step[]): readonly Step[] {
  const { buckets, versioning, roles, policies, rules, leftovers } = phases;
  return [...buckets, ...versioning, ...roles, ...policies, ...waiting, ...rules, ...leftovers];
}

function roleChanges(plans: readonly SourcePlan[], { owner }: NativeWish): readonly RoleChange[] {
  // With a boundary the right to make a role often hangs on it, which IAM cannot simulate.
  const isMade = owner.roleArn === undefined && owner.permissionsBoundary === undefined;
  const changes = plans.map(({ source, role, widens }) => ({
    source,
    roleArn: roleArnOf(owner, source.bucket, visible(source.role)),
    actions: [
      ...(isMade && role.steps.length > 0 ? (["iam:CreateRole", "iam:PutRolePolicy"] as const) : []),
      ...(widens ? (["iam:PassRole"] as const) : []),
    ],
  }));
  return changes.filter(({ actions }) => actions.length > 0);
}

function isChanging({ rules, role, roleDeletions }: SourcePlan): boolean {
  return rules.steps.length + role.steps.length + role.narrowing.length + roleDeletions.length > 0;
}

function isCreated(pair: NativePair, { merged }: RulesPlan, { owner }: NativeWish): boolean {
  return merged.created.includes(ruleIdOf(owner.name, pair.rule, pair.destinationId));
}

/** Sources that nothing is wished of and that may not be looked at; what is wished and hidden is a problem. */
function hiddenNotes({ sources }: World, wish: NativeWish): readonly string[] {
  const wished = new Set(wish.pairs.map(({ source }) => source.id));
  return sources
    .filter((source) => !isOpen(source, wish) && !wished.has(source.bucket.id))
    .map(
      ({ bucket, document }) =>
        `${bucket.name} was not looked at for rules of ${wish.owner.name}${isForbidden(document) ? `: ${document.forbidden}` : ""}`,
    );
}

function handOverNote({ account, kind, subject }: HandOver): string {
  const what = kind === "bucket-policy" ? `the bucket policy of ${subject}` : `the policy of the key ${subject}`;
  return `account ${account} has to set ${what}: until it is set S3 gives every object up, and tries none of them again by itself`;
}
