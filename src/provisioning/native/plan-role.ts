import { ReplicationError } from "../../domain/error.ts";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { Identity, Role } from "../../ports/identity.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import type { Problem, Step } from "../change.ts";
import { NAME_TAG, ROLE_POLICY, roleNameOf, roleTagsOf } from "../names.ts";
import { bucketArn, type NativeBucket, type NativePair, type Owner } from "../native-pair.ts";
import { withKept } from "../policies/kept-statements.ts";
import { INLINE_POLICY_LENGTH, isSamePolicy, replicationPolicy, replicationTrust } from "../policies/role-policy.ts";
import { visible } from "../seen.ts";
import { keyArnOf } from "./read-keys.ts";
import type { SourceWorld, World } from "./read-world.ts";
import type { NativePorts, NativeWish } from "./wish.ts";

/** ARN of the role that S3 replicates a source with: it is known before there is one. */
export function roleArnOf(owner: Owner, source: NativeBucket, found?: Role): string {
  if (owner.roleArn !== undefined) return owner.roleArn;
  return found?.arn ?? `arn:${source.partition}:iam::${source.account}:role${owner.path}${roleNameOf(owner, source)}`;
}

export interface RolePlan {
  /** Before the rules. */
  readonly steps: readonly Step[];
  /** After them: the role may do less than before, and no rule needs it. */
  readonly narrowing: readonly Step[];
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
  /** What the role is to allow while rules change; undefined where it is not ours to say. */
  readonly policy?: PolicyDocument | undefined;
}

export interface RoleWish {
  readonly source: SourceWorld;
  readonly pairs: readonly NativePair[];
  /** Others' rules, which will use the role too. */
  readonly foreign: readonly ReplicationRule[];
  /** The role that they use until then. */
  readonly previousRole: string | undefined;
  /** Whether rules are made or changed, which needs its rights first. */
  readonly widens: boolean;
}

/** Makes the one role of a source what its rules need, or says what a role of one's own has to allow. */
export function planRole(
  role: RoleWish,
  wish: NativeWish,
  { world, ports }: { readonly world: World; readonly ports: NativePorts },
): RolePlan {
  const policy = policyOf(role, world);
  if (wish.owner.roleArn !== undefined) return { ...NO_ROLE, notes: role.widens ? [permissionsNote(wish.owner.roleArn, policy)] : [] };
  const { bucket, role: seenRole } = role.source;
  const found = visible(seenRole);
  const problems = [...ownerProblems(found, wish.owner), ...lengthProblems(policy, bucket)];
  const wanted = { policy, tags: roleTagsOf(wish.owner, bucket, role.previousRole), name: roleNameOf(wish.owner, bucket) };
  const rolePorts = { identity: () => ports.identityOf(bucket), arn: roleArnOf(wish.owner, bucket, found) };
  const existing = found === undefined ? [creation(wanted, wish.owner, { bucket, ...rolePorts })] : updates(wanted, found, rolePorts);
  const notes = found === undefined ? [] : driftNotes(found, wish.owner);
  const now = found?.policies[ROLE_POLICY];
  if (!role.widens) return { steps: existing, narrowing: policyUpdate(wanted, now, rolePorts), problems, notes, policy };
  const meanwhile = meanwhilePolicy(policy, now);
  const widening = policyUpdate({ ...wanted, policy: meanwhile }, now, rolePorts);
  return { steps: [...existing, ...widening], narrowing: policyUpdate(wanted, meanwhile, rolePorts), problems, notes, policy: meanwhile };
}

/** With the rights of the rules that stand until the others are written: what S3 is refused till then it gives up for ever. */
function meanwhilePolicy(policy: PolicyDocument, now: PolicyDocument | undefined): PolicyDocument {
  const given = (now?.Statement ?? []).filter(({ Effect }) => Effect === "Allow");
  const both = { ...policy, Statement: withKept(policy.Statement, given) };
  return JSON.stringify(both).length > INLINE_POLICY_LENGTH ? policy : both;
}

export const NO_ROLE: RolePlan = { steps: [], narrowing: [], problems: [], notes: [] };

function policyOf({ source, pairs, foreign }: RoleWish, world: World): PolicyDocument {
  const destinations = pairs.flatMap(({ destination }) => {
    const key = world.buckets.get(destination.id)?.defaultKey;
    const arn = key === undefined ? undefined : keyArnOf(key);
    return arn === undefined ? [] : [[bucketArn(destination), arn] as const];
  });
  const othersDestinations = [...source.foreignDestinations].flatMap(([bucket, { defaultKeyArn }]) =>
    defaultKeyArn === undefined ? [] : [[bucket, defaultKeyArn] as const],
  );
  return replicationPolicy({
    source: source.bucket,
    pairs,
    foreign,
    sourceKeyArns: (visible(source.keys) ?? []).flatMap((key) => keyArnOf(key) ?? []).sort(),
    objectLock: source.facts?.objectLock ?? false,
    defaultKeyArns: Object.fromEntries([...othersDestinations, ...destinations]),
  });
}

interface WantedRole {
  readonly name: string;
  readonly policy: PolicyDocument;
  readonly tags: Readonly<Record<string, string>>;
}

interface RolePorts {
  readonly identity: () => Promise<Identity>;
  readonly arn: string;
}

function creation(
  { name, tags }: WantedRole,
  owner: Owner,
  { bucket, identity, arn }: RolePorts & { readonly bucket: NativeBucket },
): Step {
  const { path, permissionsBoundary } = owner;
  const description = `Replicates ${bucket.bucket}; made and changed by replicast (${owner.name})`;
  const make = async () => {
    const roles = await identity();
    const made = await roles.createRole({ name, path, trust: replicationTrust(), tags, permissionsBoundary, description });
    if (made !== false) return;
    // Made meanwhile: by an apply that was interrupted, or by somebody else.
    const there = await roles.role(name);
    if (there?.tags[NAME_TAG] === owner.name) return;
    throw new ReplicationError("AccessDenied", `the role ${name} is there already and is not replicast's`, { hint: "set iam.rolePrefix" });
  };
  return { changes: [{ action: "create", type: "role", id: arn, detail: { name, path, permissionsBoundary, source: bucket.name } }], make };
}

/** Trust and tags, each by a call of its own. */
function updates({ name, tags }: WantedRole, found: Role, { identity, arn }: RolePorts): readonly Step[] {
  const trust = replicationTrust();
  const differing = Object.entries(tags).filter(([key, value]) => found.tags[key] !== value);
  const steps: Step[] = [];
  if (!isSamePolicy(found.trust, trust))
    steps.push({
      changes: [{ action: "update", type: "role", id: arn, detail: { name, trust } }],
      make: async () => (await identity()).putTrust(name, trust),
    });
  if (differing.length > 0)
    steps.push({
      changes: [{ action: "update", type: "role", id: arn, detail: { name, tags: Object.fromEntries(differing) } }],
      make: async () => (await identity()).tagRole(name, Object.fromEntries(differing)),
    });
  return steps;
}

function policyUpdate({ name, policy }: WantedRole, old: PolicyDocument | undefined, { identity, arn }: RolePorts): readonly Step[] {
  if (old !== undefined && isSamePolicy(old, policy)) return [];
  const action = old === undefined ? "create" : "update";
  const make = async () => (await identity()).putRolePolicy(name, ROLE_POLICY, policy);
  return [{ changes: [{ action, type: "policy", id: `${arn}/${ROLE_POLICY}`, detail: { role: arn, policy } }], make }];
}

function ownerProblems(found: Role | undefined, owner: Owner): readonly Problem[] {
  if (found === undefined || found.tags[NAME_TAG] === owner.name) return [];
  const message = `the role ${found.name} is there already and its tags do not say that it is ${owner.name}'s`;
  return [
    { code: "OtherOwner", subject: found.arn, message, hint: `tag it ${NAME_TAG}: ${owner.name} where it is, or set iam.rolePrefix` },
  ];
}

function lengthProblems(policy: PolicyDocument, { name }: NativeBucket): readonly Problem[] {
  const length = JSON.stringify(policy).length;
  if (length <= INLINE_POLICY_LENGTH) return [];
  const message = `its role would need a policy of ${length} characters, and IAM takes ${INLINE_POLICY_LENGTH}`;
  return [{ code: "TooManyRules", subject: name, message, hint: "name fewer destinations and keys, or a role of your own in iam.roleArn" }];
}

/** What cannot be put right by a call, and does not stand in the way. */
function driftNotes(found: Role, { path, permissionsBoundary }: Owner): readonly string[] {
  const notes: string[] = [];
  if (found.path !== path) notes.push(`the role ${found.arn} stays at its path: destroy and apply move it to ${path}`);
  if (found.permissionsBoundary !== permissionsBoundary)
    notes.push(`the role ${found.arn} keeps its permissions boundary (${found.permissionsBoundary ?? "none"}): change it yourself`);
  return notes;
}

function permissionsNote(roleArn: string, policy: PolicyDocument): string {
  return `${roleArn} must be assumable by s3.amazonaws.com and allow ${JSON.stringify(policy)}`;
}
