import type { PolicyStatement } from "../../domain/policy-document.ts";
import type { Role } from "../../ports/identity.ts";
import type { Step } from "../change.ts";
import { bucketArn, type NativeBucket } from "../native-pair.ts";
import { batchTrust, isSamePolicy } from "../policies/role-policy.ts";
import { LEFTOVER_ROLE_TAG } from "./leftovers.ts";
import { abandonedLocks } from "./lock.ts";
import type { MergedReplication } from "./merge-replication.ts";
import type { SourceWorld, World } from "./read-world.ts";
import type { NativePorts } from "./wish.ts";

/** A source with what its document is to be. */
export interface SettledSource {
  readonly source: SourceWorld;
  readonly merged: MergedReplication;
}

/** Removes the roles of a source that has no rule of ours any more, unless its document goes on naming them. */
export function planOwnRoles({ source, merged }: SettledSource, ports: NativePorts): readonly Step[] {
  const isNamed = (role: Role) => merged.document.rules.length > 0 && merged.document.role === role.arn;
  return source.ownRoles.filter((role) => !isNamed(role)).map((role) => deletion(role, source.bucket, ports));
}

/** Removes the roles that the source's rules had before `iam` in the config said another. A job may still use that of the batch jobs. */
export function planFormerRoles(settled: SettledSource, roleArn: string, ports: NativePorts): readonly Step[] {
  const { source } = settled;
  const former = source.ownRoles.filter((role) => role.arn !== roleArn && !isSamePolicy(role.trust, batchTrust()));
  return planOwnRoles({ ...settled, source: { ...source, ownRoles: former } }, ports);
}

/**
 * Removes roles of serverless-s3-replication-plugin whose rules ours have taken the place of: those that no document goes on naming, and whose
 * policies are about no other bucket. Also after an apply that was interrupted before it came to that: our role remembers which they were.
 */
export function planAdoptedRoles(settled: readonly SettledSource[], ports: NativePorts): readonly Step[] {
  const named = new Set(settled.flatMap(({ merged }) => (merged.document.rules.length > 0 ? [merged.document.role] : [])));
  const moved = new Set(settled.flatMap(({ source, merged }) => (merged.foreign.length === 0 ? [bucketArn(source.bucket)] : [])));
  const candidates = new Map(
    settled.flatMap(({ source, merged }) => {
      const role = merged.adopted.length > 0 ? source.foreignRole : source.previousRole;
      // What foreign rules had before is to be put back one day.
      return role === undefined || merged.foreign.length > 0 ? [] : [[role.arn, { role, bucket: source.bucket }] as const];
    }),
  );
  return [...candidates.values()]
    .filter(({ role }) => role.tags[LEFTOVER_ROLE_TAG] !== undefined && !named.has(role.arn))
    .filter(({ role }) => sourcesOf(role).every((arn) => moved.has(arn)))
    .map(({ role, bucket }) => deletion(role, bucket, ports));
}

/** Removes locks of applies that were killed, unless somebody has taken them over meanwhile. */
export function planAbandonedLocks({ abandoned }: World, name: string, ports: NativePorts): readonly Step[] {
  return abandoned.map(({ role, bucket }) => {
    const make = async () => {
      const identity = await ports.identityOf(bucket);
      const found = await identity.role(role.name);
      if (found !== undefined && abandonedLocks([found], name, ports.clock).length > 0) await identity.deleteRole(role.name);
    };
    return { changes: [{ action: "delete", type: "role", id: role.arn, detail: { name: role.name } }], make };
  });
}

/** The buckets that a role replicates, by what it may do. */
function sourcesOf({ policies }: Role): readonly string[] {
  const statements = Object.values(policies).flatMap(({ Statement }) => Statement);
  const reading = statements.filter(({ Action }) => listOf(Action).includes("s3:GetReplicationConfiguration"));
  return reading.flatMap(({ Resource }) => listOf(Resource));
}

function listOf(value: PolicyStatement["Action"]): readonly string[] {
  return value === undefined ? [] : [value].flat();
}

function deletion({ name, arn }: Role, bucket: NativeBucket, ports: NativePorts): Step {
  const make = async () => (await ports.identityOf(bucket)).deleteRole(name);
  return { changes: [{ action: "delete", type: "role", id: arn, detail: { name, source: bucket.name } }], make };
}
