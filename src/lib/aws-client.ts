import { readFileSync } from "node:fs";
import { Agent } from "node:https";

export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** What a client of one AWS service is opened with. */
export interface AwsClientOptions {
  /** Absent for AWS itself, and for what `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` say, which the SDK reads. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** For S3 alone. */
  readonly forcePathStyle?: boolean | undefined;
  readonly credentials: () => KeyPair | Promise<KeyPair>;
  /** PEM file of the certificate authorities to trust. */
  readonly caFile?: string | undefined;
}

/** A person waits: the SDK's own tries and no more. */
const MAX_ATTEMPTS = 3;
const CONNECTION_TIMEOUT_MS = 10_000;
/** Between two bytes: longer than any of these services thinks. */
const SOCKET_TIMEOUT_MS = 60_000;

export interface ClientSettings {
  readonly region: string;
  readonly maxAttempts: number;
  readonly credentials: () => Promise<DefinedKeyPair>;
  readonly requestHandler: { readonly connectionTimeout: number; readonly socketTimeout: number; readonly httpsAgent?: Agent };
  readonly endpoint?: string;
}

type DefinedKeyPair = Pick<KeyPair, "accessKeyId" | "secretAccessKey"> & { readonly sessionToken?: string; readonly expiration: Date };

/** What all clients of the AWS SDK have in common. */
export function clientSettings({ endpoint, region, credentials, caFile }: AwsClientOptions): ClientSettings {
  return {
    region,
    maxAttempts: MAX_ATTEMPTS,
    // Over at once: the SDK keeps for good what never ends, and whoever gives them renews them in time.
    credentials: async () => ({ ...withoutUndefined(await credentials()), expiration: new Date() }),
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      ...(caFile === undefined ? {} : { httpsAgent: new Agent({ ca: readFileSync(caFile), keepAlive: true }) }),
    },
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** The SDK takes a session token that is undefined for one. */
function withoutUndefined({ accessKeyId, secretAccessKey, sessionToken }: KeyPair): Omit<DefinedKeyPair, "expiration"> {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
