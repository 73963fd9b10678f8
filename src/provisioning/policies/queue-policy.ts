import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { queueSidOf } from "../events/queue-names.ts";

/** A bucket that sends its events to a queue. */
export interface Sender {
  readonly bucketArn: string;
  /** That has the bucket. */
  readonly account: string;
}

export const S3_SERVICE = "s3.amazonaws.com";
export const SNS_SERVICE = "sns.amazonaws.com";

/**
 * Lets S3 send the events of these buckets, and nobody anything else. The account is asked too: a bucket's name may come to be another's.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
 */
export function sendStatement(name: string, queueArn: string, senders: readonly Sender[]): PolicyStatement {
  return {
    Sid: queueSidOf(name, queueArn),
    Effect: "Allow",
    Principal: { Service: S3_SERVICE },
    Action: "sqs:SendMessage",
    Resource: queueArn,
    Condition: {
      ArnEquals: { "aws:SourceArn": oneOrMore(senders.map(({ bucketArn }) => bucketArn)) },
      StringEquals: { "aws:SourceAccount": oneOrMore(senders.map(({ account }) => account)) },
    },
  };
}

/** Whoever wants to send a message. */
export interface Sending {
  readonly service: string;
  readonly queueArn: string;
  /** On whose behalf. */
  readonly sourceArn: string;
  readonly account: string;
}

/**
 * Whether a policy certainly lets a service send to the queue. Conditions on anything but the source count as not met; what is denied
 * elsewhere is not looked at, since no statement of ours could mend it.
 */
export function letsSend(policy: PolicyDocument | undefined, sending: Sending): boolean {
  return (policy?.Statement ?? []).some(
    (statement) =>
      statement.Effect === "Allow" &&
      isPrincipal(statement.Principal, sending.service) &&
      listOf(statement.Action).some((action) => matches(action.toLowerCase(), "sqs:sendmessage")) &&
      listOf(statement.Resource).some((resource) => matches(resource, sending.queueArn)) &&
      Object.entries(statement.Condition ?? {}).every(([operator, tests]) => isMet(operator, tests, sending)),
  );
}

function isPrincipal(principal: unknown, service: string): boolean {
  if (principal === "*") return true;
  if (typeof principal !== "object" || principal === null) return false;
  const { AWS, Service } = principal as { readonly AWS?: string | readonly string[]; readonly Service?: string | readonly string[] };
  return listOf(AWS).includes("*") || listOf(Service).some((one) => one === "*" || one === service);
}

/** These compare as they stand; the rest may have wildcards. */
const EXACT = new Set(["stringequals", "stringequalsignorecase"]);
const WITH_WILDCARDS = new Set(["arnequals", "arnlike", "stringlike"]);

function isMet(operator: string, tests: Readonly<Record<string, string | readonly string[]>>, { sourceArn, account }: Sending): boolean {
  const facts: Readonly<Record<string, string>> = { "aws:sourcearn": sourceArn, "aws:sourceaccount": account };
  const kind = operator.toLowerCase();
  return Object.entries(tests).every(([key, wanted]) => {
    const fact = facts[key.toLowerCase()];
    if (fact === undefined) return false;
    if (EXACT.has(kind)) return listOf(wanted).includes(fact);
    return WITH_WILDCARDS.has(kind) && listOf(wanted).some((pattern) => matches(pattern, fact));
  });
}

/** IAM's wildcards: `*` for any characters, `?` for one. */
function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

function oneOrMore(values: readonly string[]): string | readonly string[] {
  const different = [...new Set(values)].toSorted();
  return different.length === 1 ? (different[0] ?? "") : different;
}
