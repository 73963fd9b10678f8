import { spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Command } from "./contenders.ts";
import { busySeconds, cpuSecondsOf, type Stage, type Traffic, trafficBetween } from "./servers.ts";

/** Lets what the last run left behind come to rest. */
const calmMs = 300;
const defaultLimitSeconds = 600;
const keptOutput = 2_000;

interface Cost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Of the program that watches the command. */
  readonly wrapperCpuSeconds: number;
  readonly peakRssBytes: number;
  readonly exitCode: number | "timeout";
}

/** What one or several commands in a row cost, and what they made both servers do. */
export interface Measurement extends Cost {
  readonly serverCpuSeconds: { readonly a: number; readonly b: number };
  readonly traffic: { readonly a: Traffic; readonly b: Traffic };
  /** Share of the machine that processes outside of the benchmark took. */
  readonly foreignShare: number;
  /** The end of what the commands printed. */
  readonly output: string;
}

interface Reading {
  readonly a: { readonly cpu: number; readonly traffic: Traffic };
  readonly b: { readonly cpu: number; readonly traffic: Traffic };
}

/** Runs commands one after the other, each to its end. A command that fails ends the row. */
export async function measure(stage: Stage, commands: readonly Command[]): Promise<Measurement> {
  await sleep(calmMs);
  const before = await read(stage);
  const clock = new ForeignClock(stage);
  const log = join(stage.scratch, "command.log");
  const costs: Cost[] = [];
  for (const command of commands) {
    costs.push(await run(stage, command, log));
    if (costs.at(-1)?.exitCode !== 0) break;
  }
  const foreignShare = clock.share(costs);
  await sleep(calmMs);
  const after = await read(stage);
  return { ...combine(costs), ...between(before, after), foreignShare, output: (await readFile(log, "utf8")).slice(-keptOutput) };
}

/** Tells how much of the machine went to processes outside of the benchmark. */
class ForeignClock {
  readonly #stage: Stage;
  readonly #startedAt = performance.now();
  readonly #unused: number;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#unused = this.#notOurs();
  }

  share(costs: readonly Cost[]): number {
    const ours = costs.reduce((total, cost) => total + cost.cpuSeconds + cost.wrapperCpuSeconds, 0);
    const elapsed = (performance.now() - this.#startedAt) / 1000;
    return Math.max(0, this.#notOurs() - this.#unused - ours) / elapsed / availableParallelism();
  }

  /** Time spent so far by anything but the servers and this process. */
  #notOurs(): number {
    return busySeconds() - this.#stage.a.cpuSeconds() - this.#stage.b.cpuSeconds() - cpuSecondsOf(process.pid);
  }
}

async function read({ a, b }: Stage): Promise<Reading> {
  const [trafficOfA, trafficOfB] = await Promise.all([a.traffic(), b.traffic()]);
  return { a: { cpu: a.cpuSeconds(), traffic: trafficOfA }, b: { cpu: b.cpuSeconds(), traffic: trafficOfB } };
}

function combine(costs: readonly Cost[]): Cost {
  const sum = (pick: (cost: Cost) => number): number => costs.reduce((total, cost) => total + pick(cost), 0);
  return {
    wallSeconds: sum((cost) => cost.wallSeconds),
    cpuSeconds: sum((cost) => cost.cpuSeconds),
    wrapperCpuSeconds: sum((cost) => cost.wrapperCpuSeconds),
    peakRssBytes: Math.max(...costs.map((cost) => cost.peakRssBytes)),
    exitCode: costs.at(-1)?.exitCode ?? 0,
  };
}

function between(before: Reading, after: Reading): Pick<Measurement, "serverCpuSeconds" | "traffic"> {
  return {
    serverCpuSeconds: { a: after.a.cpu - before.a.cpu, b: after.b.cpu - before.b.cpu },
    traffic: { a: trafficBetween(before.a.traffic, after.a.traffic), b: trafficBetween(before.b.traffic, after.b.traffic) },
  };
}

/** Node cannot ask what a child has used; a few lines of Python can, for the child and all that it waited for. */
async function run(stage: Stage, command: Command, log: string): Promise<Cost> {
  const result = join(stage.scratch, "cost.json");
  const wrapper = fileURLToPath(new URL("./measure.py", import.meta.url));
  await using output = await open(log, "w");
  const child = spawn("python3", [wrapper, result, String(defaultLimitSeconds), ...command.command], {
    cwd: stage.scratch,
    env: { PATH: process.env.PATH, HOME: stage.scratch, ...command.env },
    stdio: ["ignore", output.fd, output.fd],
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("error", reject);
  child.once("close", resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`measure.py ended with ${code}: ${await readFile(log, "utf8")}`);
  return JSON.parse(await readFile(result, "utf8"));
}
