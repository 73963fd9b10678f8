import type { Environment } from "../config/resolved-config.ts";
import type { Handler } from "../control-plane/handler.ts";
import { Replicast } from "./replicast.ts";
import { createLogger } from "./telemetry.ts";

export interface CreateReplicastOptions {
  /** Path of a replicast.yaml. */
  readonly configFile: string;
  /** Where `${VAR}` and credentials come from. @defaultValue process.env */
  readonly env?: Environment | undefined;
}

/** Replication inside a process of one's own. */
export interface ReplicastHandle {
  /** Answers events, health checks, metrics and the API: mount it in any server that speaks web-standard requests. */
  readonly fetch: Handler["fetch"];
  /** Finishes what is under way within `graceMs`, records it and lets go of the state. @defaultValue graceMs 30000 */
  stop(graceMs?: number): Promise<void>;
}

const STOP_GRACE_MS = 30_000;

/**
 * Starts replication as a config says, and resolves once it works: events are taken in by `fetch`, buckets are being compared.
 *
 * Listens on no port and to no signal: both are the caller's. Throws ReplicationErrors: `ConfigInvalid`, `LedgerLocked`, …
 */
export async function createReplicast(options: CreateReplicastOptions): Promise<ReplicastHandle> {
  const env = options.env ?? process.env;
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: options.configFile, env });
  const logger = await createLogger({ verbose: false, quiet: true });
  const replicast = await Replicast.open({ config, env, version: "library", logger });
  await replicast.startSyncs();
  return { fetch: replicast.handler.fetch, stop: (graceMs = STOP_GRACE_MS) => replicast.drain(graceMs) };
}
