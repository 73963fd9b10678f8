import type { PolicyDocument } from "../domain/policy-document.ts";

export interface Caller {
  readonly account: string;
  readonly arn: string;
}

export interface Role {
  readonly name: string;
  readonly path: string;
  readonly arn: string;
  readonly trust: PolicyDocument;
  /** Inline policies by name. */
  readonly policies: Readonly<Record<string, PolicyDocument>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly permissionsBoundary?: string | undefined;
}

export type NewRole = Pick<Role, "name" | "path" | "trust" | "tags" | "permissionsBoundary"> & { readonly description: string };

/** Roles of one account (IAM), and who is asking (STS). */
export interface Identity {
  caller(): Promise<Caller>;

  /** Undefined where there is none of that name. */
  role(name: string): Promise<Role | undefined>;

  /** All roles under a path that begins and ends with '/'. */
  roles(path: string): Promise<readonly Role[]>;

  /** Creates it; its ARN. False where the name is taken: exactly one of several callers gets the ARN. */
  createRole(role: NewRole): Promise<string | false>;

  putTrust(name: string, trust: PolicyDocument): Promise<void>;

  /** Adds or replaces tags; others stay. */
  tagRole(name: string, tags: Readonly<Record<string, string>>): Promise<void>;

  /** Adds or replaces one inline policy; others stay. Undefined removes it. */
  putRolePolicy(name: string, policyName: string, policy: PolicyDocument | undefined): Promise<void>;

  /**
   * Removes a role with its inline policies. Fine where it is gone already.
   * @throws `InvalidRequest` where a managed policy is attached, which is somebody else's doing; then nothing is removed
   */
  deleteRole(name: string): Promise<void>;

  /** Whether IAM itself lets a principal do something; `unknown` where it cannot be asked. */
  simulate(principalArn: string, action: string, resource: string): Promise<"allowed" | "denied" | "unknown">;

  close(): void;
}
