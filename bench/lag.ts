import { execFile } from "node:child_process";
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ensureTool } from "../scripts/tools.ts";
import { answersOk } from "../test/support/probe.ts";
import { startProcess } from "../test/support/process.ts";
import { mcEnvironment, productCommand, productName, withCredentials } from "./contenders.ts";
import { type LeanS3, objectPath } from "./lean-client.ts";
import { type LagQuantiles, Observer, quantiles } from "./observer.ts";
import { productConfig } from "./product-config.ts";
import { seedHeaders } from "./seed.ts";
import { cpuSecondsOf, type Stage } from "./servers.ts";

export interface LagRow {
  readonly replication: string;
  /** PUTs per second. */
  readonly rate: number;
  readonly puts: number;
  readonly putMs: LagQuantiles;
  /** From the answer to the PUT until the first HEAD at the destination that finds the replica. */
  readonly lagMs: LagQuantiles;
  /** From the last HEAD that found nothing to the first that found it: how exactly the lag was seen. */
  readonly gapMs: LagQuantiles;
  readonly lost: number;
  readonly serverCpuSeconds: number;
  readonly clientCpuSeconds: number;
  readonly clientRssBytes: number;
}

export interface LagOptions {
  readonly seconds: number;
  readonly product: boolean;
}

/** PUTs per second, and which of them are watched. */
const rates = [
  { rate: 50, every: 4 },
  { rate: 300, every: 10 },
] as const;
/** Time for what the listing still misses after the last watched object was found or given up. */
const patienceMs = 15_000;

interface Course {
  readonly replication: string;
  readonly bucket: string;
  /** Process group of the replicator where it is not the servers themselves. */
  readonly group?: number;
}

/** Measures how late replicas are while objects are written at a steady rate: through the product, and by MinIO itself. */
export async function measureLag(stage: Stage, options: LagOptions): Promise<LagRow[]> {
  const own = await minioReplication(stage, options.seconds);
  return options.product ? [...(await productReplication(stage, options.seconds)), ...own] : own;
}

async function productReplication(stage: Stage, seconds: number): Promise<LagRow[]> {
  const bucket = "live";
  for (const server of [stage.a, stage.b]) await server.createBucket(bucket);
  const config = productConfig(stage, { name: "live", source: bucket, destination: bucket, live: true });
  const { command, env } = productCommand(stage, "--config", config.file, "run");
  const [program = "", ...args] = command;
  await using daemon = await startProcess({
    name: productName,
    command: program,
    args,
    env: { HOME: stage.scratch, ...env },
    cwd: stage.scratch,
    ready: (signal) => answersOk(`${config.url}/readyz`, signal),
  });
  await stage.a.minio.addEvents(bucket);
  try {
    return await observeRates(stage, { replication: `${productName} run`, bucket, group: daemon.pid }, seconds);
  } catch (error) {
    throw new Error(`${productName} did not replicate; it printed last:\n${daemon.log.tail()}`, { cause: error });
  }
}

async function minioReplication(stage: Stage, seconds: number): Promise<LagRow[]> {
  const bucket = "own";
  for (const server of [stage.a, stage.b]) await server.createBucket(bucket, { versioning: true });
  const [mc, env] = [await ensureTool("mc"), await mcEnvironment(stage)];
  const remote = ["--remote-bucket", withCredentials(stage.b.url(bucket)), "--replicate", "delete,delete-marker,existing-objects"];
  await promisify(execFile)(mc, ["--json", "replicate", "add", `A/${bucket}`, ...remote], { env: { PATH: process.env.PATH, ...env } });
  return observeRates(stage, { replication: "MinIO bucket replication", bucket }, seconds);
}

async function observeRates(stage: Stage, course: Course, seconds: number): Promise<LagRow[]> {
  await warmUp(stage, course.bucket);
  const rows: LagRow[] = [];
  for (const { rate, every } of rates) rows.push(await observe(stage, course, { rate, every, total: rate * seconds }));
  return rows;
}

/** The first replica of a bucket waits for much that later ones find done. */
async function warmUp(stage: Stage, bucket: string): Promise<void> {
  const path = objectPath(bucket, "warm-up");
  await stage.a.s3.must("PUT", path, { body: "x" });
  const deadline = performance.now() + patienceMs;
  while ((await stage.b.s3.ask("HEAD", path)).status !== 200) {
    if (performance.now() > deadline) throw new Error(`nothing arrived in ${bucket} within ${patienceMs} ms`);
    await sleep(20);
  }
}

interface Pace {
  readonly rate: number;
  readonly every: number;
  readonly total: number;
}

async function observe(stage: Stage, course: Course, pace: Pace): Promise<LagRow> {
  const prefix = `rate-${pace.rate}/`;
  const observer = new Observer(stage.b.s3, course.bucket);
  const cpu = (): number => stage.a.cpuSeconds() + stage.b.cpuSeconds();
  const [serversBefore, clientBefore] = [cpu(), groupUsage(course.group).cpuSeconds];
  const watching = observer.watch();
  const putMs = await write(stage.a.s3, { prefix, bucket: course.bucket, pace, observer });
  const { lagMs, gapMs } = await watching;
  const usage = groupUsage(course.group);
  const row = {
    replication: course.replication,
    rate: pace.rate,
    puts: pace.total,
    putMs: quantiles(putMs),
    lagMs,
    gapMs,
    serverCpuSeconds: cpu() - serversBefore,
    clientCpuSeconds: usage.cpuSeconds - clientBefore,
    clientRssBytes: usage.rssBytes,
  };
  return { ...row, lost: await countLost(stage.b.s3, { bucket: course.bucket, prefix, total: pace.total }) };
}

interface Writing {
  readonly prefix: string;
  readonly bucket: string;
  readonly pace: Pace;
  readonly observer: Observer;
}

/** Starts every PUT when it is due, whether or not those before have been answered. */
async function write(s3: LeanS3, { prefix, bucket, pace, observer }: Writing): Promise<number[]> {
  const body = Buffer.alloc(4096, prefix);
  const startedAt = performance.now();
  const putMs: number[] = [];
  const put = async (index: number): Promise<void> => {
    const key = prefix + String(index).padStart(6, "0");
    const sentAt = performance.now();
    await s3.must("PUT", objectPath(bucket, key), { headers: seedHeaders(index), body });
    putMs.push(performance.now() - sentAt);
    if (index % pace.every === 0) observer.expect(key);
  };
  const puts: Promise<void>[] = [];
  for (let index = 0; index < pace.total; index++) {
    const dueInMs = startedAt + (index * 1000) / pace.rate - performance.now();
    if (dueInMs > 1) await sleep(dueInMs);
    puts.push(put(index));
  }
  await Promise.all(puts);
  observer.close();
  return putMs;
}

async function countLost(
  s3: LeanS3,
  { bucket, prefix, total }: { readonly bucket: string; readonly prefix: string; readonly total: number },
): Promise<number> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const present = (await s3.listAll(bucket, prefix)).size;
    if (present === total || performance.now() > deadline) return total - present;
    await sleep(250);
  }
}

/** Time and memory of all processes of a group. */
function groupUsage(group: number | undefined): { readonly cpuSeconds: number; readonly rssBytes: number } {
  const members = group === undefined ? [] : readdirSync("/proc").filter((name) => /^\d+$/.test(name) && groupOf(name) === group);
  return {
    cpuSeconds: members.reduce((total, pid) => total + cpuSecondsOf(Number(pid)), 0),
    rssBytes: members.reduce((total, pid) => total + peakRssOf(pid), 0),
  };
}

function groupOf(pid: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").trim().split(" ")[2]);
  } catch {
    return -1;
  }
}

function peakRssOf(pid: string): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

/** What it takes to make 4 KiB durable beside the state: no daemon that promises durability can be quicker than its disk. */
export function measureFsync(directory: string): LagQuantiles {
  const file = openSync(join(directory, "fsync-probe"), "w");
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let turn = 0; turn < 200; turn++) {
    const startedAt = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    times.push(performance.now() - startedAt);
  }
  closeSync(file);
  return quantiles(times);
}
