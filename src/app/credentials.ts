import type { CredentialSource } from "../adapters/credentials/credential-provider.ts";
import type { Credentials } from "../config/resolved-config.ts";

/** The credentials of a config with their secrets in plain text, for the adapters that sign with them. */
export function revealed(credentials: Credentials): CredentialSource {
  if (credentials.kind !== "static") return credentials;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return { kind: "static", accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal() };
}
