import type { ErrorCode } from "../../domain/error.ts";

const OPERATIONS = [
  "CreateRole",
  "DeleteRole",
  "DeleteRolePolicy",
  "GetCallerIdentity",
  "GetRole",
  "GetRolePolicy",
  "ListAttachedRolePolicies",
  "ListRolePolicies",
  "ListRoleTags",
  "ListRoles",
  "PutRolePolicy",
  "SimulatePrincipalPolicy",
  "TagRole",
  "UpdateAssumeRolePolicy",
] as const;

export type Operation = (typeof OPERATIONS)[number];

const BY_NAME: Readonly<Record<string, string>> = {
  DeleteConflict: "something of others still uses the role: remove it and try again",
  LimitExceeded: "the account holds as many roles as it may: delete some, or ask AWS for more",
  MalformedPolicyDocument: "a principal in it may have been deleted, or made a moment ago: try again in a minute",
};

const BY_CODE: Partial<Record<ErrorCode, string>> = {
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  RequestTimeTooSkewed: "set this machine's clock",
  SignatureDoesNotMatch: "check secretAccessKey",
  SlowDown: "somebody else is changing the role, or the account asks too often: try again",
  StoreUnreachable: "check that this machine can reach AWS",
};

/** What a person should do about a call that IAM or STS refused. */
export function hintFor(operation: Operation, name: string, code: ErrorCode): string | undefined {
  if (code !== "AccessDenied") return BY_NAME[name.replace(/Exception$/, "")] ?? BY_CODE[code];
  // A role that is created with tags is tagged.
  return operation === "CreateRole" ? "allow iam:CreateRole and iam:TagRole" : `allow iam:${operation}`;
}
