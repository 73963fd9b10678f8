import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { ensureTool } from "../../scripts/tools.ts";
import type { S3Endpoint } from "./server.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Command {
  readonly path: string;
  readonly args: readonly string[];
  /** The whole environment, but for `PATH`. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the AWS CLI on a server: `await aws(minio, "s3", "cp", file, "s3://bucket/key")`. @throws Error with its output unless it ends with 0. */
export async function aws(server: S3Endpoint, ...args: readonly string[]): Promise<string> {
  const path = join(dirname(await ensureTool("python")), "aws");
  const result = await runCommand({ path, args: [...args, "--endpoint-url", server.endpoint], env: awsEnvironment(server) });
  return requireSuccess(`aws ${args.join(" ")}`, result).stdout;
}

/**
 * Runs rclone with one remote per named server: `await rclone({ a, b }, "sync", "a:bucket", "b:bucket")`.
 *
 * @throws Error with its output unless it ends with 0.
 */
export async function rclone(remotes: Readonly<Record<string, S3Endpoint>>, ...args: readonly string[]): Promise<string> {
  const env = Object.assign({ RCLONE_CONFIG: "/dev/null" }, ...Object.entries(remotes).map(([name, server]) => remote(name, server)));
  const result = await runCommand({ path: await ensureTool("rclone"), args, env });
  return requireSuccess(`rclone ${args.join(" ")}`, result).stdout;
}

/** Environment of a program that reads credentials as AWS clients do, and nothing from this user's files. */
export function awsEnvironment(server: S3Endpoint): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    AWS_REGION: server.region,
    AWS_DEFAULT_REGION: server.region,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    ...(server.caFile ? { AWS_CA_BUNDLE: server.caFile } : {}),
  };
}

/** Runs a program to its end, whatever that is. */
export async function runCommand(command: Command): Promise<CommandResult> {
  const child = spawn(command.path, command.args, {
    env: { PATH: process.env.PATH, ...command.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("close", (code) => resolve(code ?? -1));
  const output = Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const code = await promise;
  const [stdout, stderr] = (await output).map((chunks) => Buffer.concat(chunks).toString());
  return { code, stdout: stdout ?? "", stderr: stderr ?? "" };
}

function remote(name: string, server: S3Endpoint): Record<string, string> {
  const setting = (key: string): string => `RCLONE_CONFIG_${name.toUpperCase()}_${key}`;
  return {
    [setting("TYPE")]: "s3",
    [setting("PROVIDER")]: "Minio",
    [setting("ENDPOINT")]: server.endpoint,
    [setting("ACCESS_KEY_ID")]: server.credentials.accessKeyId,
    [setting("SECRET_ACCESS_KEY")]: server.credentials.secretAccessKey,
    [setting("REGION")]: server.region,
    ...(server.caFile ? { RCLONE_CA_CERT: server.caFile } : {}),
  };
}

function requireSuccess(what: string, result: CommandResult): CommandResult {
  if (result.code !== 0) throw new Error(`${what} ended with ${result.code}:\n${result.stdout}${result.stderr}`);
  return result;
}
