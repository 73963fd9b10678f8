import assert from "node:assert/strict";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import type { PolicyDocument } from "../../src/domain/policy-document.ts";

/** One request as IAM sees it. */
export interface IamRequest {
  /** ARN of the role that S3 has taken on. */
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** Of the resource. */
  readonly account: string;
  readonly context?: Readonly<Record<string, string | string[]>>;
}

export interface IamPolicies {
  /** The role's own. */
  readonly role?: PolicyDocument | undefined;
  /** Of the bucket or the key. */
  readonly resource?: PolicyDocument | undefined;
}

/**
 * Whether IAM's rules let the request through, as an offline simulator applies them. A request that it does not understand, or a policy that IAM
 * would refuse, is a mistake of the test.
 */
export async function isAllowed({ context, ...request }: IamRequest, { role, resource }: IamPolicies): Promise<boolean> {
  const result = await runSimulation(
    {
      request: {
        principal: request.principal,
        action: request.action,
        resource: { resource: request.resource, accountId: request.account },
        contextVariables: asSimulated({ ...context }),
      },
      identityPolicies: role === undefined ? [] : [{ name: "role", policy: asSimulated(role) }],
      resourcePolicy: resource === undefined ? undefined : asSimulated(resource),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    { simulationMode: "Strict" },
  );
  assert.ok(result.resultType !== "error", `${request.action} on ${request.resource}: ${JSON.stringify(result)}`);
  return result.overallResult === "Allowed";
}

const PLACEHOLDER = "$".concat("{EncryptionContextKey}");

/** The simulator drops condition keys that it does not know, and knows the keys of encryption contexts by their pattern alone. */
function asSimulated<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll('"kms:EncryptionContext:aws:s3:arn"', `"kms:EncryptionContext:${PLACEHOLDER}"`));
}

export interface Expectation {
  readonly allowed: readonly IamRequest[];
  readonly denied: readonly IamRequest[];
}

/** Proves that policies let through exactly what they are meant to. */
export async function assertGrants(policies: IamPolicies, { allowed, denied }: Expectation): Promise<void> {
  const told = (request: IamRequest) =>
    `${request.action} on ${request.resource} by ${request.principal} with ${JSON.stringify(request.context ?? {})}`;
  for (const request of allowed) assert.ok(await isAllowed(request, policies), `refused: ${told(request)}`);
  for (const request of denied) assert.ok(!(await isAllowed(request, policies)), `let through: ${told(request)}`);
}
