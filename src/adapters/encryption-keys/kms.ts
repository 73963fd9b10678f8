import type * as KMS from "@aws-sdk/client-kms";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type PolicyDocument, parsePolicy } from "../../domain/policy-document.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { EncryptionKey, EncryptionKeys } from "../../ports/encryption-keys.ts";

/** The one policy that a key has. */
const POLICY_NAME = "default";

/** Loads the SDK and builds a client of KMS in one region. Sends nothing. */
export async function openEncryptionKeys(options: AwsClientOptions): Promise<EncryptionKeys> {
  const sdk = await import("@aws-sdk/client-kms");
  return new KmsEncryptionKeys(sdk, new sdk.KMSClient(clientSettings(options)));
}

class KmsEncryptionKeys implements EncryptionKeys {
  readonly #sdk: typeof KMS;
  readonly #client: KMS.KMSClient;

  constructor(sdk: typeof KMS, client: KMS.KMSClient) {
    this.#sdk = sdk;
    this.#client = client;
  }

  async key(id: string): Promise<EncryptionKey | undefined> {
    const command = new this.#sdk.DescribeKeyCommand({ KeyId: id });
    try {
      const { KeyMetadata } = await ask("DescribeKey", id, () => this.#client.send(command));
      return KeyMetadata === undefined ? undefined : toKey(KeyMetadata);
    } catch (error) {
      if (isReplicationError(error) && toRefusal(error.cause).name === "NotFoundException") return undefined;
      throw error;
    }
  }

  async policy(arn: string): Promise<PolicyDocument> {
    const command = new this.#sdk.GetKeyPolicyCommand({ KeyId: arn, PolicyName: POLICY_NAME });
    const { Policy } = await ask("GetKeyPolicy", arn, () => this.#client.send(command));
    return parsePolicy(Policy ?? "");
  }

  async putPolicy(arn: string, policy: PolicyDocument): Promise<void> {
    const command = new this.#sdk.PutKeyPolicyCommand({ KeyId: arn, PolicyName: POLICY_NAME, Policy: JSON.stringify(policy) });
    await ask("PutKeyPolicy", arn, () => this.#client.send(command));
  }

  close(): void {
    this.#client.destroy();
  }
}

/** arn:partition:kms:region:account:key/id */
function toKey({ Arn = "", AWSAccountId, KeyState, KeyManager }: KMS.KeyMetadata): EncryptionKey {
  const [, , , region = "", account = ""] = Arn.split(":");
  return {
    arn: Arn,
    account: AWSAccountId ?? account,
    region,
    isEnabled: KeyState === "Enabled",
    isAwsManaged: KeyManager === "AWS",
  };
}

type Operation = "DescribeKey" | "GetKeyPolicy" | "PutKeyPolicy";

const HINTS: Partial<Record<ErrorCode, string>> = {
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  SlowDown: "the account asks too often: try again",
  StoreUnreachable: "check that this machine can reach AWS",
};

const BY_NAME: Readonly<Record<string, string>> = {
  InvalidArnException: "name the key by its ARN, id or alias/NAME, in the region of its bucket",
  MalformedPolicyDocumentException: "a role that was just made may not be known to KMS yet: try again in a minute",
  NotFoundException: "the key was deleted, or is in another region",
};

/** Does the work, and tells in our words what KMS says in its own. */
async function ask<T>(operation: Operation, key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isReplicationError(cause)) throw cause;
    const { code, name, message, status } = toRefusal(cause);
    const hint = code === "AccessDenied" ? `allow kms:${operation} on the key, in its own policy too` : (BY_NAME[name] ?? HINTS[code]);
    throw new ReplicationError(code, `${operation} on ${key}: ${name}: ${message}`, { at: { operation, status }, hint, cause });
  }
}
