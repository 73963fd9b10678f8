import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { sidOf } from "../names.ts";
import { bucketArn, type NativePair } from "../native-pair.ts";
import { replicaKeyGrants, sourceKeyGrants } from "./key-grants.ts";

/** What a pair does with a key: read source objects, or write replicas. */
export type KeyUsage = "source" | "replica";

/**
 * What a key has to allow the source's role where it is another account's, or does not leave the decision to IAM.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html#replication-kms-cross-acct-scenario
 */
export function keyStatements(
  name: string,
  pair: NativePair,
  { roleArn, usage }: { readonly roleArn: string; readonly usage: KeyUsage },
): readonly PolicyStatement[] {
  const { partition, region } = usage === "source" ? pair.source : pair.destination;
  const arn = bucketArn(usage === "source" ? pair.source : pair.destination);
  const use = { bucketArns: [arn], partition, region };
  const grants = usage === "source" ? sourceKeyGrants(use) : replicaKeyGrants(use);
  return grants.map((grant) => ({
    Sid: sidOf(name, bucketArn(pair.source), arn, grant.purpose),
    Effect: "Allow",
    Principal: { AWS: roleArn },
    Action: grant.actions,
    Resource: "*",
    Condition: grant.condition,
  }));
}

/**
 * Is true where the key lets its account's IAM decide, so that a role of that account needs nothing in the key's policy.
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
 */
export function delegatesToIam(policy: PolicyDocument, account: string, partition: string): boolean {
  const roots = [`arn:${partition}:iam::${account}:root`, account, "*"];
  return policy.Statement.some(
    ({ Effect, Principal, Action, Resource, Condition }) =>
      Effect === "Allow" &&
      Condition === undefined &&
      principalsOf(Principal).some((principal) => roots.includes(principal)) &&
      listed(Action).some((action) => action === "kms:*" || action === "*") &&
      listed(Resource).includes("*"),
  );
}

function principalsOf(principal: unknown): readonly string[] {
  if (principal === "*") return ["*"];
  const accounts = typeof principal === "object" && principal !== null && "AWS" in principal ? principal.AWS : [];
  return [accounts].flat().filter((account) => typeof account === "string");
}

function listed(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat();
}
