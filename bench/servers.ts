import { accessSync, constants, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "../test/support/certificate.ts";
import { createCertificate } from "../test/support/certificate.ts";
import { freePort } from "../test/support/free-port.ts";
import { type MinioServer, startMinio } from "../test/support/minio.ts";
import { LeanS3 } from "./lean-client.ts";

/** Of the kernel's accounting, which `/proc` shows to programs in hundredths of a second on every Linux. */
const ticksPerSecond = 100;

export const credentials = { accessKeyId: "benchadmin", secretAccessKey: "benchsecret" };

/** What a server counted: S3 calls by operation, and bytes of their requests and answers. */
export interface Traffic {
  readonly calls: Readonly<Record<string, number>>;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly errors: number;
}

/** One MinIO of the benchmark with a client for seeding and checking. */
export class BenchServer implements AsyncDisposable {
  readonly name: "A" | "B";
  readonly minio: MinioServer;
  readonly s3: LeanS3;

  constructor(name: "A" | "B", minio: MinioServer) {
    this.name = name;
    this.minio = minio;
    const trust = minio.caFile ? { ca: readFileSync(minio.caFile, "utf8") } : {};
    this.s3 = new LeanS3(minio.endpoint, { credentials, connections: 32, ...trust });
  }

  get endpoint(): string {
    return this.minio.endpoint;
  }

  url(bucket: string): string {
    return `${this.endpoint}/${bucket}`;
  }

  async createBucket(bucket: string, options: { readonly versioning?: boolean } = {}): Promise<void> {
    await this.s3.must("PUT", `/${bucket}`);
    if (!options.versioning) return;
    const body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    await this.s3.must("PUT", `/${bucket}`, { query: { versioning: "" }, body });
  }

  /** Removes the directory of a bucket: thousands of deletions through S3 would run into the next measurement. */
  async dropBucket(bucket: string): Promise<void> {
    await rm(join(this.minio.drive, bucket), { recursive: true, force: true });
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.minio.pid);
  }

  /** Reads the server's own counters, so that no proxy stands in the way of what is measured. */
  async traffic(): Promise<Traffic> {
    const { body } = await this.s3.must("GET", "/minio/metrics/v3/api/requests");
    return parseTraffic(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.s3.close().catch(() => {});
    await this.minio[Symbol.asyncDispose]();
  }
}

/** User and system time of a process so far, without its children. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").trim().split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Time that all processors together have spent on anything so far. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = readFileSync("/proc/stat", "utf8")
    .slice(0, 200)
    .replace(/^cpu +/, "")
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softIrq + steal) / ticksPerSecond;
}

function parseTraffic(text: string): Traffic {
  const calls: Record<string, number> = {};
  const sums = { sentBytes: 0, receivedBytes: 0, errors: 0 };
  for (const [, metric, labels = "", value] of text.matchAll(/^minio_api_requests_(\w+)\{([^}]*)\} (\S+)$/gm)) {
    if (!labels.includes('type="s3"')) continue;
    const operation = /name="([^"]*)"/.exec(labels)?.[1] ?? "?";
    if (metric === "total") calls[operation] = (calls[operation] ?? 0) + Number(value);
    if (metric === "traffic_sent_bytes") sums.sentBytes += Number(value);
    if (metric === "traffic_received_bytes") sums.receivedBytes += Number(value);
    if (metric === "4xx_errors_total" || metric === "5xx_errors_total") sums.errors += Number(value);
  }
  return { calls, ...sums };
}

/** What happened between two readings. */
export function trafficBetween(before: Traffic, after: Traffic): Traffic {
  const calls: Record<string, number> = {};
  for (const [operation, count] of Object.entries(after.calls)) {
    const made = count - (before.calls[operation] ?? 0);
    if (made > 0) calls[operation] = made;
  }
  return {
    calls,
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
    errors: after.errors - before.errors,
  };
}

/** Two servers, and what all contenders share. */
export interface Stage extends AsyncDisposable {
  readonly a: BenchServer;
  readonly b: BenchServer;
  /** Certificate of both servers where they serve https. */
  readonly caFile: string | undefined;
  /** For logs, configuration and results, on the file system of temporary files. */
  readonly scratch: string;
  /** Where A's webhook delivers: the port of a daemon on 127.0.0.1. */
  readonly webhookPort: number;
}

export async function openStage(tls: boolean): Promise<Stage> {
  const scratch = await mkdtemp(join(tmpdir(), "replicast-bench-"));
  const removeScratch = (): void => rmSync(scratch, { recursive: true, force: true });
  process.once("exit", removeScratch);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    process.off("exit", removeScratch);
    removeScratch();
  });
  const webhookPort = await freePort();
  const certificate = tls && createCertificate();
  const a = stack.use(await startBenchServer("A", certificate, `http://127.0.0.1:${webhookPort}/events/a`));
  const b = stack.use(await startBenchServer("B", certificate));
  const close = stack.move();
  return { a, b, scratch, webhookPort, caFile: a.minio.caFile, [Symbol.asyncDispose]: () => close.disposeAsync() };
}

async function startBenchServer(name: "A" | "B", certificate: Certificate | false, webhook?: string): Promise<BenchServer> {
  const minio = await startMinio({
    credentials,
    tls: certificate,
    dataRoot: dataRoot(),
    env: { MINIO_PROMETHEUS_AUTH_TYPE: "public" },
    // Without a queue on disk MinIO delivers at once; with one it looks for new events every three seconds only.
    ...(webhook ? { webhook: { id: "BENCH", endpoint: webhook, queue: false } } : {}),
  });
  return new BenchServer(name, minio);
}

/** Memory where there is a file system in it: the disk of the machine is not what is compared. */
function dataRoot(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}
