import type { ProvisionRun } from "../app/provisioning/provision.ts";
import { ReplicationError } from "../domain/error.ts";
import type { AwsProvider } from "./framework.ts";

export type FrameworkCredentials = NonNullable<ProvisionRun["credentials"]>;

type KeyPair = Awaited<ReturnType<FrameworkCredentials>>;
type Found = FrameworkCredentials | "left to the SDK" | undefined;

/** One way to ask the framework; the newest first, since some have more than one and the older then throws. */
const WAYS: readonly (readonly [name: "getAwsSdkV3Config" | "getCredentials", read: (answer: unknown, ask: () => unknown) => Found])[] = [
  ["getAwsSdkV3Config", fromClientConfig],
  ["getCredentials", fromCredentials],
];

/**
 * The credentials that the framework deploys with, asked for anew each time so that they do not end while they are used. Undefined where it
 * leaves them to the SDK's own chain.
 *
 * @throws ReplicationError `InvalidAccessKeyId` that tells every way that was tried
 */
export async function frameworkCredentials(provider: AwsProvider): Promise<FrameworkCredentials | undefined> {
  const tried: string[] = [];
  for (const [name, read] of WAYS) {
    const method = provider[name];
    if (typeof method !== "function") {
      tried.push(`provider.${name} is not there`);
      continue;
    }
    const ask = () => method.call(provider);
    try {
      const found = read(await ask(), ask);
      if (found === "left to the SDK") return undefined;
      await found?.();
      if (found !== undefined) return found;
      tried.push(`provider.${name}() gave no credentials`);
    } catch (error) {
      tried.push(`provider.${name}(): ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new ReplicationError("InvalidAccessKeyId", `the framework gave no credentials: ${tried.join("; ")}`, {
    hint: "check that serverless deploy itself finds credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  });
}

/** Osls 3 and 4: the settings of a client of the AWS SDK 3, whose credentials are a pair or a function that gets one. */
function fromClientConfig(answer: unknown): Found {
  const credentials = fieldOf(answer, "credentials");
  if (typeof credentials === "function") return async () => pairOf(await credentials());
  return isPair(credentials) ? () => pairOf(credentials) : undefined;
}

/** Serverless 4: a pair. Serverless 3: an object of the AWS SDK 2, that may have to be filled first, or none where its own chain is to find them. */
function fromCredentials(answer: unknown, ask: () => unknown): Found {
  if (isPair(answer)) return async () => pairOf(await ask());
  const credentials = fieldOf(answer, "credentials");
  if (credentials === undefined || credentials === null)
    return typeof answer === "object" && answer !== null ? "left to the SDK" : undefined;
  const fill = fieldOf(credentials, "getPromise");
  if (typeof fill !== "function") return isPair(credentials) ? () => pairOf(credentials) : undefined;
  return async () => {
    await fill.call(credentials);
    return pairOf(credentials);
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function isPair(value: unknown): boolean {
  return Boolean(fieldOf(value, "accessKeyId")) && Boolean(fieldOf(value, "secretAccessKey"));
}

function pairOf(value: unknown): KeyPair {
  if (!isPair(value)) throw new Error("no access key in what it gave");
  const { accessKeyId, secretAccessKey, sessionToken } = value as KeyPair;
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
}
