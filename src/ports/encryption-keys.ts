import type { PolicyDocument } from "../domain/policy-document.ts";

export interface EncryptionKey {
  readonly arn: string;
  readonly account: string;
  readonly region: string;
  readonly isEnabled: boolean;
  /** Made by AWS for a service: its policy cannot be changed and it never works across accounts. */
  readonly isAwsManaged: boolean;
}

/** KMS keys of one region. */
export interface EncryptionKeys {
  /** By ARN, id or alias; undefined where there is none. @throws `AccessDenied` */
  key(id: string): Promise<EncryptionKey | undefined>;

  policy(arn: string): Promise<PolicyDocument>;

  putPolicy(arn: string, policy: PolicyDocument): Promise<void>;

  close(): void;
}
