import type { Command } from "commander";
import type { DemoWorld, DemoWriter } from "../app/demo.ts";
import type { Replicast } from "../app/replicast.ts";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { RuleStatus, StatusDocument } from "../control-plane/contract.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { EXIT, type Output } from "./output.ts";
import { formatBytes } from "./progress.ts";
import { askServer } from "./server.ts";
import { version } from "./version.ts";

export function define(command: Command): void {
  command
    .option("--for <duration>", "end by itself after so long, such as 20s; else at Ctrl-C")
    .option("--rate <n>", "objects written a second", "50")
    .option("--port <n>", "of the API", "0")
    .addHelpText("after", examples("demo", "demo --for 20s --rate 200"));
}

/** How long the last objects may take to arrive once the writer has stopped; milliseconds. */
const SETTLE_MS = 60_000;

/**
 * Replicates between two S3 stores in this process while a writer writes, and shows how that goes. At the end all sides are compared: exits 0
 * only if they are equal.
 */
export async function run({ output, env, options }: Invocation): Promise<number> {
  const forMs = await toDuration(options["for"] as string | undefined);
  const rate = toNumber(options["rate"] as string, "--rate", 10_000);
  const port = toNumber(options["port"] as string, "--port", 65_535);
  const { createDemoWorld } = await import("../app/demo.ts");
  const world = await createDemoWorld(port);
  try {
    return await replicate({ output, world, forMs, rate, env });
  } finally {
    await world.close();
  }
}

interface Demo {
  readonly output: Output;
  readonly world: DemoWorld;
  readonly forMs: number | undefined;
  readonly rate: number;
  readonly env: Invocation["env"];
}

async function replicate(demo: Demo): Promise<number> {
  const { output, world } = demo;
  const { loadConfig } = await import("../config/load.ts");
  const { Replicast: Application } = await import("../app/replicast.ts");
  const { createLogger } = await import("../app/telemetry.ts");
  const { serve } = await import("../daemon/http-server.ts");
  const config = loadConfig({ configPath: world.configFile, env: world.env });
  const logger = await createLogger({ verbose: output.verbose, quiet: true });
  const replicast = await Application.open({ config, env: world.env, version: version(), logger });
  try {
    const server = await serve(replicast.handler, config.listen);
    world.notify(`${server.url}/events/a`);
    await replicast.startSyncs();
    output.info(`replicating a:photos to ${config.rules[0]?.destinations.map(({ id }) => id).join(", ")}`);
    output.info(`API: ${server.url}/api/v1/status   metrics: ${server.url}/metrics   config: ${world.configFile}`);
    try {
      return await writeAndVerify(demo, { config, replicast, url: server.url });
    } finally {
      await server.close(1000);
    }
  } finally {
    await replicast.drain(5000);
  }
}

interface Running {
  readonly config: ResolvedConfig;
  readonly replicast: Replicast;
  readonly url: string;
}

async function writeAndVerify(demo: Demo, running: Running): Promise<number> {
  const stop = stopAfter(demo.forMs);
  const { openDemoWriter } = await import("../app/demo-writer.ts");
  const { writer, close } = await openDemoWriter({
    config: running.config,
    env: demo.world.env,
    objectsPerSecond: demo.rate,
    signal: stop.signal,
  });
  const show = setInterval(() => void showProgress(demo, running, writer), demo.output.drawsStatus ? 250 : 2_000);
  try {
    await writer.run();
    demo.output.info(`wrote ${writer.written} objects (${formatBytes(writer.bytes)}); waiting for the last to arrive`);
    await running.replicast.untilIdle(AbortSignal.timeout(SETTLE_MS));
  } finally {
    clearInterval(show);
    stop.release();
    await close();
  }
  demo.output.status("");
  return compareSides(demo, running);
}

async function compareSides({ output, world }: Demo, { config, url }: Running): Promise<number> {
  const { verify } = await import("../app/verify.ts");
  const status = await askServer<StatusDocument>(url, "/api/v1/status", {});
  let differences = 0;
  const results = await verify({
    rules: config.rules,
    buckets: Object.values(config.buckets),
    config,
    env: world.env,
    attributes: true,
    checksum: false,
    minAgeMs: 0,
    concurrency: 32,
    onDifference: (_rule, { kind, destination, key }) => {
      differences++;
      output.warn(`${kind} ${destination.id} ${key}`);
    },
    signal: AbortSignal.timeout(SETTLE_MS),
  });
  const summaries = results.flatMap((result) => result.summaries);
  const unequal = summaries.reduce((sum, summary) => sum + summary.compared - summary.equal, 0);
  const equal = differences === 0 && unequal === 0 && summaries.every((summary) => summary.compared > 0);
  if (output.json) await output.document({ equal, status });
  else {
    for (const { destination, compared, equal: same } of summaries)
      await output.line(`${destination.id}: ${same} of ${compared} objects equal`);
    await output.line(latencyLine(status.rules[0]));
    await output.line(equal ? "all sides are equal" : "the sides differ");
  }
  return equal ? EXIT.done : EXIT.failed;
}

async function showProgress({ output }: Demo, { url }: Running, writer: DemoWriter): Promise<void> {
  const status = await askServer<StatusDocument>(url, "/api/v1/status", {}).catch(() => undefined);
  const destinations = status?.rules[0]?.destinations ?? [];
  const completed = destinations.reduce((sum, destination) => sum + (destination.operationsCompleted ?? 0), 0);
  const pending = destinations.reduce((sum, destination) => sum + (destination.operationsPending ?? 0), 0);
  const bytes = destinations.reduce((sum, destination) => sum + (destination.bytesCompleted ?? 0), 0);
  const lag = destinations[0]?.replicationLatencyMs;
  const latency = lag == null ? "" : `  lag p50 ${lag.p50} ms, p99 ${lag.p99} ms`;
  const text = `${writer.written} written  ${completed} replicas (${formatBytes(bytes)})  ${pending} pending${latency}`;
  if (output.drawsStatus) output.status(text);
  else output.info(text);
}

function latencyLine(rule: RuleStatus | undefined): string {
  const lags =
    rule?.destinations.map(({ id, replicationLatencyMs: lag }) => `${id} p50 ${lag?.p50 ?? "?"} ms, p99 ${lag?.p99 ?? "?"} ms`) ?? [];
  return `latency: ${lags.join("; ")}`;
}

/** Aborts after a time or at Ctrl-C, whichever comes first. */
function stopAfter(ms: number | undefined): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = ms === undefined ? undefined : setTimeout(stop, ms);
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}

async function toDuration(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseDuration } = await import("../config/units.ts");
  const ms = parseDuration(text);
  if (ms === undefined) throw usageError(`--for is no duration: "${text}"`, "--for 20s");
  return ms;
}

function toNumber(text: string, name: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw usageError(`${name} is a whole number up to ${max}, not "${text}"`, `leave ${name} out`);
}
