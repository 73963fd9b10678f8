import type * as IAM from "@aws-sdk/client-iam";
import type * as STS from "@aws-sdk/client-sts";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type PolicyDocument, parsePolicy } from "../../domain/policy-document.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import type { Caller, Identity, NewRole, Role } from "../../ports/identity.ts";
import { hintFor, type Operation } from "./permissions.ts";

/** IAM allows few calls a second, to the whole account. */
const ROLES_AT_ONCE = 4;

/** Loads the SDKs and builds clients of IAM and STS. Sends nothing. */
export async function openIdentity(options: AwsClientOptions): Promise<Identity> {
  const [iam, sts] = await Promise.all([import("@aws-sdk/client-iam"), import("@aws-sdk/client-sts")]);
  return new IamIdentity(iam, sts, options);
}

class IamIdentity implements Identity {
  readonly #iam: typeof IAM;
  readonly #sts: typeof STS;
  readonly #roles: IAM.IAMClient;
  readonly #tokens: STS.STSClient;

  constructor(iam: typeof IAM, sts: typeof STS, options: AwsClientOptions) {
    this.#iam = iam;
    this.#sts = sts;
    this.#roles = new iam.IAMClient(clientSettings(options));
    this.#tokens = new sts.STSClient(clientSettings(options));
  }

  async caller(): Promise<Caller> {
    const { Account = "", Arn = "" } = await ask("GetCallerIdentity", "these credentials", () =>
      this.#tokens.send(new this.#sts.GetCallerIdentityCommand({})),
    );
    return { account: Account, arn: Arn };
  }

  role(name: string): Promise<Role | undefined> {
    // It may go while it is read.
    return ifThere(async () => {
      const { Role: found } = await this.#send("GetRole", name, (iam) => iam.send(new this.#iam.GetRoleCommand({ RoleName: name })));
      const [policies, tags] = await Promise.all([this.#policies(name), this.#tags(name)]);
      return {
        name,
        path: found?.Path ?? "/",
        arn: found?.Arn ?? "",
        trust: fromUrl(found?.AssumeRolePolicyDocument),
        policies,
        tags,
        permissionsBoundary: found?.PermissionsBoundary?.PermissionsBoundaryArn,
      };
    });
  }

  async roles(path: string): Promise<readonly Role[]> {
    const names = await this.#send("ListRoles", path, async (client) => {
      const listed: string[] = [];
      for await (const { Roles = [] } of this.#iam.paginateListRoles({ client }, { PathPrefix: path }))
        for (const { RoleName } of Roles) if (RoleName !== undefined) listed.push(RoleName);
      return listed;
    });
    const few = new Semaphore(ROLES_AT_ONCE);
    const roles = await Promise.all(names.map((name) => few.run(() => this.role(name))));
    return roles.filter((role) => role !== undefined);
  }

  async createRole(role: NewRole): Promise<string | false> {
    const command = new this.#iam.CreateRoleCommand({
      RoleName: role.name,
      Path: role.path,
      Description: role.description,
      AssumeRolePolicyDocument: JSON.stringify(role.trust),
      Tags: toTagList(role.tags),
      ...(role.permissionsBoundary === undefined ? {} : { PermissionsBoundary: role.permissionsBoundary }),
    });
    try {
      const { Role: created } = await this.#send("CreateRole", role.name, (iam) => iam.send(command));
      return created?.Arn ?? "";
    } catch (error) {
      if (refusedAs(error, "EntityAlreadyExists")) return wasRepeated(error) ? this.#ownOf(role) : false;
      throw error;
    }
  }

  async putTrust(name: string, trust: PolicyDocument): Promise<void> {
    const command = new this.#iam.UpdateAssumeRolePolicyCommand({ RoleName: name, PolicyDocument: JSON.stringify(trust) });
    await this.#send("UpdateAssumeRolePolicy", name, (iam) => iam.send(command));
  }

  async tagRole(name: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const command = new this.#iam.TagRoleCommand({ RoleName: name, Tags: toTagList(tags) });
    await this.#send("TagRole", name, (iam) => iam.send(command));
  }

  async putRolePolicy(name: string, policyName: string, policy: PolicyDocument | undefined): Promise<void> {
    const { PutRolePolicyCommand, DeleteRolePolicyCommand } = this.#iam;
    const at = { RoleName: name, PolicyName: policyName };
    if (policy === undefined) await ifThere(() => this.#send("DeleteRolePolicy", name, (iam) => iam.send(new DeleteRolePolicyCommand(at))));
    else
      await this.#send("PutRolePolicy", name, (iam) =>
        iam.send(new PutRolePolicyCommand({ ...at, PolicyDocument: JSON.stringify(policy) })),
      );
  }

  /** A managed policy on it was attached by somebody else, who has to detach it: then nothing is removed. */
  async deleteRole(name: string): Promise<void> {
    await ifThere(async () => {
      const attached = await this.#attached(name);
      if (attached.length > 0) throw stillAttached(name, attached);
      for (const policyName of await this.#policyNames(name)) await this.putRolePolicy(name, policyName, undefined);
      await this.#send("DeleteRole", name, (iam) => iam.send(new this.#iam.DeleteRoleCommand({ RoleName: name })));
    });
  }

  async simulate(principalArn: string, action: string, resource: string): Promise<"allowed" | "denied" | "unknown"> {
    const input = { PolicySourceArn: principalArn, ActionNames: [action], ResourceArns: [resource] };
    try {
      const { EvaluationResults = [] } = await this.#send("SimulatePrincipalPolicy", principalArn, (iam) =>
        iam.send(new this.#iam.SimulatePrincipalPolicyCommand(input)),
      );
      return toVerdict(EvaluationResults[0]);
    } catch (error) {
      if (refusedAs(error, "NoSuchEntity")) return "denied";
      if (isReplicationError(error) && CANNOT_BE_ASKED.has(error.code)) return "unknown";
      throw error;
    }
  }

  close(): void {
    this.#roles.destroy();
    this.#tokens.destroy();
  }

  #send<T>(operation: Operation, subject: string, work: (iam: IAM.IAMClient) => Promise<T>): Promise<T> {
    return ask(operation, subject, () => work(this.#roles));
  }

  async #policies(name: string): Promise<Record<string, PolicyDocument>> {
    const policies: Record<string, PolicyDocument> = {};
    for (const PolicyName of await this.#policyNames(name)) {
      const command = new this.#iam.GetRolePolicyCommand({ RoleName: name, PolicyName });
      const { PolicyDocument } = await this.#send("GetRolePolicy", name, (iam) => iam.send(command));
      policies[PolicyName] = fromUrl(PolicyDocument);
    }
    return policies;
  }

  #policyNames(name: string): Promise<string[]> {
    return this.#send("ListRolePolicies", name, async (client) => {
      const names: string[] = [];
      for await (const page of this.#iam.paginateListRolePolicies({ client }, { RoleName: name })) names.push(...(page.PolicyNames ?? []));
      return names;
    });
  }

  #attached(name: string): Promise<string[]> {
    return this.#send("ListAttachedRolePolicies", name, async (client) => {
      const arns: string[] = [];
      for await (const page of this.#iam.paginateListAttachedRolePolicies({ client }, { RoleName: name }))
        for (const { PolicyArn } of page.AttachedPolicies ?? []) if (PolicyArn !== undefined) arns.push(PolicyArn);
      return arns;
    });
  }

  #tags(name: string): Promise<Record<string, string>> {
    return this.#send("ListRoleTags", name, async (client) => {
      const tags: Record<string, string> = {};
      for await (const page of this.#iam.paginateListRoleTags({ client }, { RoleName: name }))
        for (const { Key, Value } of page.Tags ?? []) if (Key !== undefined) tags[Key] = Value ?? "";
      return tags;
    });
  }

  /** An answer that was lost made the SDK ask again: then the role may be the one it has just made. */
  async #ownOf(role: NewRole): Promise<string | false> {
    const found = await this.role(role.name);
    const isOwn = found !== undefined && JSON.stringify(sorted(found.tags)) === JSON.stringify(sorted(role.tags));
    return isOwn ? found.arn : false;
  }
}

/** Codes of answers that say nothing about the principal's rights. */
const CANNOT_BE_ASKED: ReadonlySet<string> = new Set(["AccessDenied", "NotImplemented", "StoreError"]);

function toVerdict(result: IAM.EvaluationResult | undefined): "allowed" | "denied" | "unknown" {
  if (result?.EvalDecision === "allowed") return "allowed";
  // A statement with a condition that the question leaves open may allow it all the same, or deny only who comes from elsewhere or without MFA.
  if ((result?.MissingContextValues ?? []).length > 0) return "unknown";
  return result === undefined ? "unknown" : "denied";
}

/** IAM gives documents percent-encoded. */
function fromUrl(document: string | undefined): PolicyDocument {
  return parsePolicy(decodeURIComponent(document ?? ""));
}

function toTagList(tags: Readonly<Record<string, string>>): IAM.Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

function sorted(tags: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function stillAttached(name: string, arns: readonly string[]): ReplicationError {
  return new ReplicationError("InvalidRequest", `role ${name} is not deleted: managed policies are attached to it: ${arns.join(", ")}`, {
    at: { operation: "DeleteRole" },
    hint: "replicast attached none of them: detach them and try again, or delete the role yourself",
  });
}

function wasRepeated(error: unknown): boolean {
  const cause = isReplicationError(error) ? (error.cause as { readonly $metadata?: { readonly attempts?: number } }) : undefined;
  return (cause?.$metadata?.attempts ?? 1) > 1;
}

function refusedAs(error: unknown, name: string): boolean {
  if (!isReplicationError(error)) return false;
  const refused = toRefusal(error.cause).name;
  return refused === name || refused === `${name}Exception`;
}

/** Undefined where IAM says that there is no such role, or policy of it. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (refusedAs(error, "NoSuchEntity")) return undefined;
    throw error;
  }
}

/** Does the work, and tells in our words what AWS says in its own. */
async function ask<T>(operation: Operation, subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isReplicationError(cause)) throw cause;
    const { code, name, message, status } = toRefusal(cause);
    throw new ReplicationError(code, `${operation} on ${subject}: ${name}: ${message}`, {
      at: { operation, status },
      hint: hintFor(operation, name, code),
      cause,
    });
  }
}
