import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureTool } from "../scripts/tools.ts";
import { type BenchServer, credentials, type Stage } from "./servers.ts";

export interface Transfer {
  readonly source: { readonly server: BenchServer; readonly bucket: string };
  readonly destination: { readonly server: BenchServer; readonly buckets: readonly string[] };
  /** Few objects of many bytes each, which want fewer lanes. */
  readonly large: boolean;
}

export interface Command {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A client that makes destinations equal to a source. */
export interface Contender {
  readonly name: string;
  /** Commands that follow each other; several where the client knows one destination at a time. */
  readonly commands: (transfer: Transfer) => readonly Command[];
}

export const leanName = "lean client";
export const productName = "replicast";

/** The yardstick first, then the product, then other tools where they are asked for. */
export async function loadContenders(stage: Stage, options: { readonly product: boolean; readonly peers: boolean }): Promise<Contender[]> {
  return [
    leanClient(stage),
    ...(options.product ? [product(stage)] : []),
    ...(options.peers ? [await mc(stage), await rclone(stage)] : []),
  ];
}

/** What a client that reads AWS's variables needs. */
export function clientEnvironment(stage: Stage): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
    ...(stage.caFile ? { NODE_EXTRA_CA_CERTS: stage.caFile, AWS_CA_BUNDLE: stage.caFile } : {}),
  };
}

/** The command line of the built product. */
export function productCommand(stage: Stage, ...args: readonly string[]): Command {
  const program = fileURLToPath(new URL("../bin/replicast.js", import.meta.url));
  return { command: [process.execPath, program, ...args], env: { ...clientEnvironment(stage), REPLICAST_DIST: "1" } };
}

function destinations({ destination }: Transfer): string[] {
  return destination.buckets.map((bucket) => destination.server.url(bucket));
}

function product(stage: Stage): Contender {
  return {
    name: productName,
    commands: (transfer) => [productCommand(stage, "sync", transfer.source.server.url(transfer.source.bucket), ...destinations(transfer))],
  };
}

function leanClient(stage: Stage): Contender {
  const directory = fileURLToPath(new URL("../.cache/bench/", import.meta.url));
  const program = writeLeanClient(directory);
  // The product keeps its compiled code between runs, so its yardstick does too.
  const env = { ...clientEnvironment(stage), NODE_COMPILE_CACHE: join(directory, "compiled") };
  return {
    name: leanName,
    commands: (transfer) => {
      const urls = [transfer.source.server.url(transfer.source.bucket), ...destinations(transfer)];
      return [{ command: [process.execPath, program, "--in-flight", transfer.large ? "4" : "64", ...urls], env }];
    },
  };
}

/** The product runs as built JavaScript, so its yardstick does too: stripping types at start-up would count against it. */
function writeLeanClient(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const program = join(directory, "lean-client.mjs");
  writeFileSync(program, stripTypeScriptTypes(readFileSync(new URL("./lean-client.ts", import.meta.url), "utf8")));
  return program;
}

async function mc(stage: Stage): Promise<Contender> {
  const program = await ensureTool("mc");
  const env = await mcEnvironment(stage);
  return {
    name: "mc mirror -a",
    commands: ({ source, destination }) =>
      destination.buckets.map((bucket) => ({
        command: [program, "-q", "mirror", "-a", `${source.server.name}/${source.bucket}`, `${destination.server.name}/${bucket}`],
        env,
      })),
  };
}

/** Gives `mc` the servers as `A` and `B`, and a configuration directory of its own. */
export async function mcEnvironment(stage: Stage): Promise<Record<string, string>> {
  const configuration = join(stage.scratch, "mc");
  const authorities = join(configuration, "certs", "CAs");
  await mkdir(authorities, { recursive: true });
  if (stage.caFile) await copyFile(stage.caFile, join(authorities, "bench.crt"));
  return {
    HOME: stage.scratch,
    MC_CONFIG_DIR: configuration,
    MC_HOST_A: withCredentials(stage.a.endpoint),
    MC_HOST_B: withCredentials(stage.b.endpoint),
  };
}

export function withCredentials(endpoint: string): string {
  return endpoint.replace("://", `://${credentials.accessKeyId}:${credentials.secretAccessKey}@`);
}

async function rclone(stage: Stage): Promise<Contender> {
  const program = await ensureTool("rclone");
  const env = {
    RCLONE_CONFIG: "/dev/null",
    ...(stage.caFile ? { RCLONE_CA_CERT: stage.caFile } : {}),
    ...remote(stage.a),
    ...remote(stage.b),
  };
  return {
    name: "rclone --metadata",
    commands: ({ source, destination, large }) =>
      destination.buckets.map((bucket) => ({
        command: [
          ...[program, "sync", `${source.server.name}:${source.bucket}`, `${destination.server.name}:${bucket}`, "--metadata", "-q"],
          ...["--transfers", large ? "4" : "64", "--checkers", "64", "--fast-list", "--checksum", "--s3-no-check-bucket"],
        ],
        env,
      })),
  };
}

function remote(server: BenchServer): Record<string, string> {
  const settings = {
    TYPE: "s3",
    PROVIDER: "Minio",
    ENDPOINT: server.endpoint,
    ACCESS_KEY_ID: credentials.accessKeyId,
    SECRET_ACCESS_KEY: credentials.secretAccessKey,
    REGION: "us-east-1",
  };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`RCLONE_CONFIG_${server.name}_${name}`, value]));
}
