import type { Problem } from "./change.ts";
import type { NativeBucket } from "./native-pair.ts";
import type { NativePorts } from "./native-wish.ts";
import type { SourceWorld } from "./read-world.ts";

/** A role that is to be made or changed. */
export interface RoleChange {
  readonly source: SourceWorld;
  readonly roleArn: string;
}

/** What nothing but IAM decides, so that its word can be taken before anything is changed. */
const ACTIONS = ["iam:CreateRole", "iam:PutRolePolicy"] as const;

/** Which of the changes IAM says it would refuse. What it cannot tell is found out by doing. */
export async function operatorProblems(changes: readonly RoleChange[], ports: NativePorts): Promise<readonly Problem[]> {
  const found = await Promise.all(changes.map((change) => refusals(change, ports)));
  return found.flat();
}

async function refusals({ source, roleArn }: RoleChange, ports: NativePorts): Promise<readonly Problem[]> {
  const identity = await ports.identityOf(source.bucket);
  const principal = principalOf(source.caller.arn, source.bucket);
  const problems: Problem[] = [];
  for (const action of ACTIONS) {
    if ((await identity.simulate(principal, action, roleArn)) !== "denied") continue;
    const message = `${source.caller.arn} may not do ${action} on ${roleArn}`;
    problems.push({
      code: "NotPermitted",
      subject: source.bucket.name,
      message,
      hint: "allow it, or name a role of your own in iam.roleArn",
    });
  }
  return problems;
}

/** IAM simulates roles, not the sessions of them. */
function principalOf(arn: string, { partition, account }: NativeBucket): string {
  const role = /^arn:[^:]+:sts::\d+:assumed-role\/([^/]+)\//.exec(arn)?.[1];
  return role === undefined ? arn : `arn:${partition}:iam::${account}:role/${role}`;
}
