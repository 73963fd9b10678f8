import { execFile } from "node:child_process";
import { cpSync, existsSync, symlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { ensureTool } from "../../scripts/tools.ts";
import { type Interceptor, interceptorBefore } from "./intercept.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** The package as it is built, in a place of its own: what a service finds as `replicast`. */
export interface BuiltPackage extends AsyncDisposable {
  readonly directory: string;
}

/** Builds the package beside the checkout, so that no test reads what an earlier build left. */
export async function buildPackage(): Promise<BuiltPackage> {
  const directory = await mkdtemp(join(tmpdir(), "replicast-package-"));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const built = await runProgram(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(directory, "dist")]);
  if (built.code !== 0) throw new Error(`the package cannot be built:\n${built.output}`);
  cpSync(join(ROOT, "package.json"), join(directory, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** The Node that the machine has beside the one that tests run on, where that is an older one; else the same. */
export async function olderNode(): Promise<string> {
  const candidates = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  for (const node of candidates.filter((path) => existsSync(path))) {
    const { output } = await runProgram(node, ["--version"]);
    if (/^v2[02]\./.test(output)) return node;
  }
  return process.execPath;
}

export interface ServiceOptions {
  readonly replicast: BuiltPackage;
  readonly front: AwsFront;
  readonly framework: "osls" | "osls-3";
  readonly node: string;
  readonly service: string;
  readonly region: string;
  /** Made by the stack. */
  readonly buckets: readonly string[];
  readonly custom: object;
}

export interface ServiceRun {
  readonly code: number;
  readonly output: string;
}

/** Stands in front of an emulated AWS and keeps what is changed there of S3's replication and of IAM. */
export interface AwsFront extends AsyncDisposable {
  readonly endpoint: string;
  /** Calls that changed something since they were last taken. */
  takeChanges(): readonly string[];
}

export async function openFront(endpoint: string): Promise<AwsFront> {
  const front = await interceptorBefore(endpoint);
  const changes = collectChanges(front);
  const { endpoint: own } = front;
  return { endpoint: own, takeChanges: () => changes.splice(0), [Symbol.asyncDispose]: () => front[Symbol.asyncDispose]() };
}

/** A service in a folder of its own, deployed by a real framework. */
export interface Service extends AsyncDisposable {
  run(...args: readonly string[]): Promise<ServiceRun>;
}

export async function openService(options: ServiceOptions): Promise<Service> {
  const { node, front, framework } = options;
  const directory = await mkdtemp(join(tmpdir(), "replicast-service-"));
  const program = await ensureTool(framework);
  await writeService(directory, options);
  const env = {
    HOME: directory,
    AWS_ACCESS_KEY_ID: "testing",
    AWS_SECRET_ACCESS_KEY: "testing",
    AWS_ENDPOINT_URL: front.endpoint,
    CI: "1",
    NO_COLOR: "1",
    NODE_NO_WARNINGS: "1",
    SLS_NOTIFICATIONS_MODE: "off",
    SLS_TELEMETRY_DISABLED: "1",
  };
  return {
    run: (...args) => runProgram(node, [program, ...args], { env, cwd: directory }),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/**
 * What stands between the frameworks and moto: moto's CloudFormation makes buckets without their versioning, and the AWS SDK 2, which frameworks
 * of the third line use, does not read AWS_ENDPOINT_URL.
 */
const EMULATED = `module.exports = class {
  constructor(serverless) {
    const endpoint = process.env.AWS_ENDPOINT_URL;
    try {
      serverless.getProvider("aws").sdk.config.update({ endpoint, s3ForcePathStyle: true });
    } catch (error) {
      if (!/no longer available/.test(error.message)) throw error;
    }
    const body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    const buckets = Object.values(serverless.configurationInput.resources.Resources).map(({ Properties }) => Properties.BucketName);
    this.hooks = {
      "after:deploy:deploy": () => Promise.all(buckets.map((bucket) => fetch(endpoint + "/" + bucket + "?versioning", { method: "PUT", body }))),
    };
  }
};
`;

async function writeService(directory: string, { replicast, service, region, buckets, custom }: ServiceOptions): Promise<void> {
  const resources = buckets.map((BucketName, index) => {
    const Properties = { BucketName, VersioningConfiguration: { Status: "Enabled" } };
    return [`Bucket${index}`, { Type: "AWS::S3::Bucket", Properties }] as const;
  });
  const document = {
    service,
    provider: { name: "aws", runtime: "nodejs20.x", region, stage: "test" },
    plugins: ["./emulated.cjs", "replicast/serverless"],
    custom,
    resources: { Resources: Object.fromEntries(resources) },
  };
  await mkdir(join(directory, "node_modules"));
  symlinkSync(replicast.directory, join(directory, "node_modules", "replicast"));
  await writeFile(join(directory, "emulated.cjs"), EMULATED);
  // YAML holds all of JSON.
  await writeFile(join(directory, "serverless.yml"), JSON.stringify(document, null, 2));
}

/** The settings of a bucket that replication has to do with. */
const SETTINGS = /[?&](?:replication|policy|versioning|notification|publicAccessBlock)\b/;

function collectChanges(front: Interceptor): string[] {
  const changes: string[] = [];
  front.intercept = (request) => {
    const { method = "", url = "" } = request;
    const service = /\/([a-z0-9-]+)\/aws4_request/.exec(request.headers.authorization ?? "")?.[1];
    if (service === "iam") void collectAction(request, changes);
    if (service === "s3" && method !== "GET" && method !== "HEAD" && SETTINGS.test(url)) changes.push(`${method} ${url}`);
    return undefined;
  };
  return changes;
}

function collectAction(request: IncomingMessage, changes: string[]): void {
  let body = "";
  request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
  request.on("end", () => {
    const action = new URLSearchParams(body).get("Action") ?? "";
    if (!/^(?:Get|List|Simulate)/.test(action)) changes.push(action);
  });
}

interface ProgramPlace {
  /** The whole environment, but for `PATH`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

function runProgram(command: string, args: readonly string[], place: ProgramPlace = {}): Promise<ServiceRun> {
  const { env, cwd } = place;
  const { promise, resolve } = Promise.withResolvers<ServiceRun>();
  const options = { env: { PATH: process.env.PATH ?? "", ...env }, timeout: 280_000, ...(cwd === undefined ? {} : { cwd }) };
  execFile(command, args, options, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
    resolve({ code, output: stdout + stderr });
  });
  return promise;
}
