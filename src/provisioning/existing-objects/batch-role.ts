import type { Clock } from "../../ports/clock.ts";
import type { Identity } from "../../ports/identity.ts";
import { batchRoleNameOf, ROLE_POLICY, roleTagsOf } from "../names.ts";
import type { NativeBucket, Owner } from "../native-pair.ts";
import { awaitPropagation } from "../policies/propagation.ts";
import { batchPolicy, batchTrust, isSamePolicy } from "../policies/role-policy.ts";
import { batchReport } from "./batch-job.ts";

export interface BatchRoleWish {
  readonly owner: Owner;
  readonly source: NativeBucket;
  readonly identity: Identity;
  readonly clock: Clock;
  /** How long IAM is given before what was changed there is used; milliseconds. */
  readonly propagationMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the role that batch jobs of a source use what they need, and waits until it can be used; its ARN. Changes nothing where it is so
 * already, and nothing at all where the config names a role of one's own.
 *
 * @throws `AccessDenied` where roles may not be looked at or made
 */
export async function ensureBatchRole({ owner, source, identity, clock, propagationMs, signal }: BatchRoleWish): Promise<string> {
  if (owner.roleArn !== undefined) return owner.roleArn;
  const name = batchRoleNameOf(owner, source);
  const [trust, policy] = [batchTrust(), batchPolicy({ source, report: batchReport(source) })];
  const found = await identity.role(name);
  const known = found?.policies[ROLE_POLICY];
  if (found !== undefined && known !== undefined && isSamePolicy(known, policy) && isSamePolicy(found.trust, trust)) return found.arn;
  const { path, permissionsBoundary } = owner;
  const description = `S3 batch jobs of replicast ${owner.name} at ${source.bucket}`;
  const made =
    found === undefined &&
    (await identity.createRole({ name, path, trust, tags: roleTagsOf(owner, source), permissionsBoundary, description }));
  if (made === false) await identity.putTrust(name, trust);
  await identity.putRolePolicy(name, ROLE_POLICY, policy);
  const roleArn = made === false ? (found?.arn ?? (await identity.role(name))?.arn ?? "") : made;
  await awaitPropagation({ identity, role: name, roleArn, policy, waitMs: propagationMs, clock, signal });
  return roleArn;
}
