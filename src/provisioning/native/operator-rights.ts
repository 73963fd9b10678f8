import type { Identity } from "../../ports/identity.ts";
import { allOf } from "../all-of.ts";
import type { Problem } from "../change.ts";
import { seen, visible } from "../seen.ts";
import type { SourceWorld } from "./read-world.ts";
import type { NativePorts } from "./wish.ts";

/** What is to be done with a role: only what nothing but IAM decides, so that its word can be taken before anything is changed. */
export interface RoleChange {
  readonly source: SourceWorld;
  readonly roleArn: string;
  readonly actions: readonly ("iam:CreateRole" | "iam:PutRolePolicy" | "iam:PassRole")[];
}

/** Which of the changes IAM says it would refuse. What it cannot tell is found out by doing. */
export async function operatorProblems(changes: readonly RoleChange[], ports: NativePorts): Promise<readonly Problem[]> {
  const found = await allOf(changes, (change) => refusals(change, ports));
  return found.flat();
}

async function refusals({ source, roleArn, actions }: RoleChange, ports: NativePorts): Promise<readonly Problem[]> {
  const identity = await ports.identityOf(source.bucket);
  const principal = await principalOf(source.caller.arn, identity);
  if (principal === undefined) return [];
  const problems: Problem[] = [];
  for (const action of actions) {
    if ((await identity.simulate(principal, action, roleArn)) !== "denied") continue;
    const message = `${source.caller.arn} may not do ${action} on ${roleArn}`;
    problems.push({
      code: "NotPermitted",
      subject: source.bucket.name,
      message,
      hint: action === "iam:PassRole" ? "allow it: S3 takes the role from whoever may pass it on" : HINT,
    });
  }
  return problems;
}

const HINT = "allow it, or name a role of your own in iam.roleArn";

/**
 * IAM simulates users and roles, not the sessions of them, nor an account's root. A session does not tell the path of its role, without which IAM
 * knows no such role and allows it nothing: undefined where it cannot be found out.
 */
async function principalOf(arn: string, identity: Identity): Promise<string | undefined> {
  const role = /^arn:[^:]+:sts::\d+:assumed-role\/([^/]+)\//.exec(arn)?.[1];
  if (role !== undefined) return visible(await seen(() => identity.role(role)))?.arn;
  return /^arn:[^:]+:iam::\d+:user\//.test(arn) ? arn : undefined;
}
