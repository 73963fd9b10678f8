import { ReplicationError } from "../../domain/error.ts";

export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** Where credentials come from. */
export type CredentialSource =
  | ({ readonly kind: "static" } & KeyPair)
  | { readonly kind: "profile"; readonly profile: string }
  | { readonly kind: "role"; readonly roleArn: string; readonly externalId?: string | undefined }
  | { readonly kind: "default" };

/** Returns valid credentials: at once where they are known, else after asking whoever issues them. */
export type CredentialProvider = () => KeyPair | Promise<KeyPair>;

/** Temporary credentials are renewed this long before they end, in milliseconds. */
const RENEW_BEFORE_MS = 5 * 60_000;

interface Issued extends KeyPair {
  readonly expiration?: Date | undefined;
}

/**
 * Builds a provider. The AWS SDK's provider chain is loaded only where neither the config nor the environment holds a key pair, since it
 * takes longer to load than a short command takes to run.
 */
export function createCredentialProvider(source: CredentialSource, env: Readonly<Record<string, string | undefined>>): CredentialProvider {
  if (source.kind === "static") return () => source;
  const fromEnv = source.kind === "default" ? environmentCredentials(env) : undefined;
  if (fromEnv !== undefined) return () => fromEnv;
  return cached(() => issue(source));
}

function environmentCredentials(env: Readonly<Record<string, string | undefined>>): KeyPair | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
}

function cached(load: () => Promise<Issued>): CredentialProvider {
  let current: Issued | undefined;
  let loading: Promise<Issued> | undefined;
  return () => {
    if (current !== undefined && (current.expiration?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now() > RENEW_BEFORE_MS) return current;
    loading ??= load()
      .then((issued) => {
        current = issued;
        return issued;
      })
      .finally(() => {
        loading = undefined;
      });
    return loading;
  };
}

async function issue(source: Exclude<CredentialSource, { kind: "static" }>): Promise<Issued> {
  const providers = await import("@aws-sdk/credential-providers");
  try {
    if (source.kind === "profile") return await providers.fromIni({ profile: source.profile })();
    if (source.kind === "default") return await providers.fromNodeProviderChain()();
    const params = { RoleArn: source.roleArn, ...(source.externalId === undefined ? {} : { ExternalId: source.externalId }) };
    return await providers.fromTemporaryCredentials({ params })();
  } catch (cause) {
    throw new ReplicationError("InvalidAccessKeyId", `no credentials: ${cause instanceof Error ? cause.message : String(cause)}`, {
      hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or credentials on the store in the config",
      cause,
    });
  }
}
