import { Replicast } from "../app/replicast.ts";
import { createLogger } from "../app/telemetry.ts";
import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import { aborted } from "../lib/aborted.ts";
import { type HttpServer, serve } from "./http-server.ts";
import { listenToSignals, type StopSignals } from "./signals.ts";

export interface RunOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly version: string;
  readonly verbose: boolean;
  /** Ends by itself once everything that is there has been replicated. */
  readonly untilIdle: boolean;
}

/** The conventional status of what an INT ended before it was done. */
const INTERRUPTED = 130;
/** Events under way are answered within this; milliseconds. */
const CLOSE_GRACE_MS = 5_000;
/** Objects under way may take this long to end; what does not stays a task for the next run. */
const DRAIN_GRACE_MS = 30_000;

/**
 * Runs replication until it is told to stop, or until it is idle, and resolves with the exit code: 0, or 1 where `untilIdle` left failed rows.
 *
 * Drains in this order: events (HTTP, queues), syncs, claims, objects under way, the state, the log.
 */
export async function run(options: RunOptions): Promise<number> {
  const { config, env, version, untilIdle } = options;
  const signals = listenToSignals();
  const logger = await createLogger({ verbose: options.verbose });
  const { replicast, server } = await open({ config, env, version, logger });
  try {
    logger.info("running", { name: config.name, url: server.url, rules: config.rules.length, pid: process.pid });
    await replicast.startSyncs();
    if (!untilIdle) {
      await aborted(signals.drain);
      return 0;
    }
    const { failed, notApplied } = await replicast.untilIdle(signals.drain);
    if (signals.drain.aborted) return INTERRUPTED;
    if (failed > 0) logger.error("idle, with failures", { failed, hint: "replicast objects list --status FAILED shows them" });
    if (notApplied.length > 0) logger.error("idle, with rules that S3 does not have", { notApplied, hint: "replicast apply" });
    if (failed > 0 || notApplied.length > 0) return 1;
    logger.info("idle: everything is replicated");
    return 0;
  } finally {
    await drain({ replicast, server, signals });
    logger.info("stopped");
    signals.release();
  }
}

async function open(options: Parameters<typeof Replicast.open>[0]): Promise<{ replicast: Replicast; server: HttpServer }> {
  const replicast = await Replicast.open(options);
  try {
    return { replicast, server: await serve(replicast.handler, options.config.listen) };
  } catch (error) {
    await replicast.drain(0);
    throw error;
  }
}

/** A second signal ends the process at once: what was not recorded is done again by the next run. */
async function drain({ replicast, server, signals }: { replicast: Replicast; server: HttpServer; signals: StopSignals }): Promise<void> {
  const onAbort = () => process.exit(Number(signals.abort.reason));
  if (signals.abort.aborted) onAbort();
  signals.abort.addEventListener("abort", onAbort, { once: true });
  await server.close(CLOSE_GRACE_MS);
  await replicast.drain(DRAIN_GRACE_MS);
  signals.abort.removeEventListener("abort", onAbort);
}
