import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";
import { sidOf } from "../names.ts";
import { overridesOwner } from "../native/replication-rules.ts";
import { bucketArn, type NativePair } from "../native-pair.ts";
import { withKept } from "./kept-statements.ts";
import { POLICY_VERSION } from "./role-policy.ts";
import { isSameStatement } from "./same-policy.ts";

/**
 * What the bucket of another account has to allow the source's role. A statement follows from its Sid: pairs of the same two buckets ask for
 * the same ones. https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html#setting-repl-config-crossacct
 */
export function destinationStatements(name: string, pair: NativePair, roleArn: string): readonly PolicyStatement[] {
  const arn = bucketArn(pair.destination);
  const sid = (what: string) => sidOf(name, bucketArn(pair.source), arn, what);
  const grant = (what: string, actions: readonly string[], resource: string): PolicyStatement => ({
    Sid: sid(what),
    Effect: "Allow",
    Principal: { AWS: roleArn },
    Action: actions,
    Resource: resource,
  });
  return [
    grant("objects", ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], `${arn}/*`),
    grant("bucket", ["s3:List*", "s3:GetBucketVersioning", "s3:PutBucketVersioning"], arn),
    ...(overridesOwner(pair) ? [grant("owner", ["s3:ObjectOwnerOverrideToBucketOwner"], `${arn}/*`)] : []),
  ];
}

export interface StatementMerge {
  /** Which of the statements there are ours, by their Sid. */
  readonly owned: (sid: string) => boolean;
  /** Statements of one Sid are one statement. */
  readonly wanted: readonly PolicyStatement[];
  /** Ours that nobody wants any more stay, under Sids of their own. @defaultValue false */
  readonly keeps?: boolean | undefined;
}

export interface MergedStatements {
  /** Undefined: no statement is left, and so no policy. */
  readonly policy: PolicyDocument | undefined;
  readonly isSame: boolean;
}

/** Puts ours into a policy that others write too: their statements stay as they are and where they are, ours that nobody wants any more go. */
export function mergeStatements(policy: PolicyDocument | undefined, { owned, wanted, keeps = false }: StatementMerge): MergedStatements {
  const found = policy?.Statement ?? [];
  const ours = found.filter((statement) => isOwned(statement, owned));
  const bySid = new Map(wanted.map((statement) => [statement.Sid, statement]));
  const statements = withKept([...bySid.values()], keeps ? ours.filter(isAboutSomebody) : []);
  if (isSameSet(ours, statements)) return { policy, isSame: true };
  const merged = [...found.filter((statement) => !isOwned(statement, owned)), ...statements];
  if (merged.length === 0) return { policy: undefined, isSame: false };
  return { policy: { ...(policy ?? { Version: POLICY_VERSION }), Statement: merged }, isSame: false };
}

/** AWS tells of a principal that is gone by an id, and takes no policy that names one. */
function isAboutSomebody({ Principal }: PolicyStatement): boolean {
  const { AWS = [] } = (Principal ?? {}) as { readonly AWS?: string | readonly string[] };
  return [AWS].flat().every((principal) => principal.startsWith("arn:"));
}

function isOwned({ Sid }: PolicyStatement, owned: (sid: string) => boolean): boolean {
  return Sid !== undefined && owned(Sid);
}

function isSameSet(a: readonly PolicyStatement[], b: readonly PolicyStatement[]): boolean {
  return a.length === b.length && b.every((statement) => a.some((other) => isSameStatement(statement, other)));
}
