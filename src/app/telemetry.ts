import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { Logger } from "../ports/logger.ts";
import type { ComparisonMeter } from "../ports/meter.ts";
import type { State } from "../ports/state.ts";
import { systemClock } from "./system-clock.ts";

/** What is counted, and how it is read. */
export interface Telemetry {
  readonly meter: ComparisonMeter;
  readonly metrics: () => Promise<string>;
  /** Whether the last request to a store was answered; null before the first. */
  readonly isUp: (store: string) => boolean | null;
}

/** Opens the metrics of a config; gauges of what waits are read from the state at each scrape. */
export async function openTelemetry(config: ResolvedConfig, state: State): Promise<Telemetry> {
  const { createPrometheusMeter } = await import("../adapters/telemetry/prometheus.ts");
  const gauges = async () => {
    const [pending, summaries] = await Promise.all([state.tasks.pending(), state.ledger.summaries(systemClock.now())]);
    return { pending, summaries };
  };
  const counters = createPrometheusMeter({ rules: config.rules, gauges });
  const up = new Map<string, boolean>();
  const meter: ComparisonMeter = {
    request(store, operation, status) {
      counters.request(store, operation, status);
      if (up.get(store) === status > 0) return;
      up.set(store, status > 0);
      counters.storeUp(store, status > 0);
    },
    completed: counters.completed.bind(counters),
    failed: counters.failed.bind(counters),
    storeUp: counters.storeUp.bind(counters),
    verified: counters.verified.bind(counters),
    drift: counters.drift.bind(counters),
  };
  return { meter, metrics: () => counters.scrape(), isUp: (store) => up.get(store) ?? null };
}

export async function createLogger(options: { readonly verbose: boolean; readonly quiet?: boolean }): Promise<Logger> {
  const { createPinoLogger } = await import("../adapters/telemetry/pino.ts");
  return createPinoLogger({ level: options.verbose ? "debug" : options.quiet === true ? "warn" : "info" });
}
