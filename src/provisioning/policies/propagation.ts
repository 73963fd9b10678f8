import { ReplicationError } from "../../domain/error.ts";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Identity } from "../../ports/identity.ts";
import { ROLE_POLICY } from "../names.ts";
import { isSamePolicy } from "./role-policy.ts";

export interface Propagation {
  readonly identity: Identity;
  readonly role: string;
  readonly roleArn: string;
  readonly policy: PolicyDocument;
  readonly waitMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Reads that have to agree, one after the other: IAM answers from many places. */
const AGREEING_READS = 3;
const BETWEEN_READS_MS = 1_000;
/** Longest time that a role may take to be known everywhere. */
const PATIENCE_MS = 120_000;

/**
 * Waits until a role that was made or changed is known: S3 tells of one that it cannot assume only by objects that FAIL, which it never tries
 * again. First a time in which nothing is asked, then reads that agree, then IAM's own word on every action.
 *
 * @throws `AccessDenied` where after two minutes IAM still denies what the policy allows
 */
export async function awaitPropagation(propagation: Propagation): Promise<void> {
  const { clock, waitMs, signal } = propagation;
  await clock.sleep(waitMs, signal);
  const until = clock.now() + PATIENCE_MS;
  const pauseMs = Math.min(BETWEEN_READS_MS, waitMs);
  let agreeing = 0;
  while (signal?.aborted !== true) {
    agreeing = (await isRead(propagation)) ? agreeing + 1 : 0;
    const why = agreeing === 0 ? "its policy does not read as it was written" : await denial(propagation, agreeing);
    if (why === undefined) return;
    if (clock.now() >= until) throw notKnown(propagation, why);
    await clock.sleep(agreeing === 0 ? BETWEEN_READS_MS : pauseMs, signal);
  }
}

/** Undefined: nothing stands in the way any more. IAM is asked only where enough reads agree. */
async function denial(propagation: Propagation, agreeing: number): Promise<string | undefined> {
  if (agreeing < AGREEING_READS) return "its policy is not the same wherever it is read";
  const denied = await firstDenied(propagation);
  return denied === undefined ? undefined : `IAM denies ${denied}`;
}

async function isRead({ identity, role, policy }: Propagation): Promise<boolean> {
  const found = (await identity.role(role))?.policies[ROLE_POLICY];
  return found !== undefined && isSamePolicy(found, policy);
}

/** What IAM cannot simulate is taken as allowed: keys and conditions that only a real request has. */
async function firstDenied({ identity, roleArn, policy }: Propagation): Promise<string | undefined> {
  const asks = policy.Statement.filter(({ Condition }) => Condition === undefined).flatMap(({ Action, Resource }) =>
    [Action ?? []].flat().flatMap((action) => [Resource ?? []].flat().map((resource) => ({ action, resource }))),
  );
  for (const { action, resource } of asks) {
    const answer = await identity.simulate(roleArn, action, resource);
    if (answer === "denied") return `${action} on ${resource}`;
    // Whoever may not simulate one action may simulate none.
    if (answer === "unknown") return undefined;
  }
  return undefined;
}

function notKnown({ roleArn }: Propagation, why: string): ReplicationError {
  const hint = "check service control policies and the permissions boundary of the role, then apply again";
  return new ReplicationError("AccessDenied", `the role ${roleArn} cannot be used: ${why}`, { hint });
}
