import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Rule } from "../../domain/rule.ts";
import type { ComparisonMeter, Drift } from "../../ports/meter.ts";
import type { PendingSummary, RouteSummary } from "../../ports/state.ts";

export interface PrometheusMeterOptions {
  /** Their destinations are there from the first scrape on, with 0, so that the first failure is an increase. */
  readonly rules: readonly Rule[];
  /** Reads the shared state at each scrape. Absent in processes of a cluster that do not export it, so that a sum is true. */
  readonly gauges?: (() => Promise<StateGauges>) | undefined;
  /** @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
}

export interface StateGauges {
  readonly pending: readonly PendingSummary[];
  readonly summaries: readonly RouteSummary[];
}

/** A meter whose counts can be scraped. */
export interface PrometheusMeter extends ComparisonMeter {
  /** The metrics in Prometheus' text format. Where the state cannot be read its gauges are missing, and the rest is there. */
  scrape(): Promise<string>;
}

/** Seconds: 5 ms to 1 h, with the 15 minutes that S3's replication time control promises. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600];

const ROUTE = ["rule", "destination"] as const;
type RouteLabel = (typeof ROUTE)[number];
type RouteLabels = Readonly<Record<RouteLabel, string>>;

/** Builds a meter with a registry of its own, so that two in one process do not meet. */
export function createPrometheusMeter(options: PrometheusMeterOptions): PrometheusMeter {
  return new PromClientMeter(options);
}

class PromClientMeter implements PrometheusMeter {
  readonly #registry = new Registry();
  readonly #routes: RouteLabelNames;
  readonly #state: StateMetrics | undefined;
  readonly #completed: Counter<RouteLabel>;
  readonly #failed: Counter<RouteLabel>;
  readonly #bytes: Counter<RouteLabel>;
  readonly #latency: Histogram<RouteLabel>;
  readonly #drift: Gauge<RouteLabel | "kind">;
  readonly #verified: Gauge<RouteLabel>;
  readonly #requests: Counter<"store" | "operation" | "status">;
  readonly #storeUp: Gauge<"store">;

  constructor(options: PrometheusMeterOptions) {
    const registers = [this.#registry];
    const route = { registers, labelNames: ROUTE };
    this.#routes = new RouteLabelNames(options.rules);
    this.#completed = new Counter({ name: "replicast_operations_completed_total", help: "Objects replicated", ...route });
    this.#failed = new Counter({ name: "replicast_operations_failed_total", help: "Objects given up as FAILED", ...route });
    this.#bytes = new Counter({ name: "replicast_bytes_completed_total", help: "Bytes of objects replicated", ...route });
    this.#latency = new Histogram({
      name: "replicast_replication_latency_seconds",
      help: "From the event at the source to the replica at the destination",
      buckets: LATENCY_BUCKETS,
      ...route,
    });
    this.#drift = new Gauge({
      name: "replicast_drift_objects",
      help: "Objects that the last complete comparison of listings found to differ",
      registers,
      labelNames: [...ROUTE, "kind"],
    });
    this.#verified = new Gauge({
      name: "replicast_last_verify_success_timestamp_seconds",
      help: "When the last complete comparison of listings ended",
      ...route,
    });
    this.#requests = new Counter({
      name: "replicast_store_requests_total",
      help: "Requests to stores; status 0: not answered",
      registers,
      labelNames: ["store", "operation", "status"],
    });
    this.#storeUp = new Gauge({ name: "replicast_store_up", help: "Whether the store answers", registers, labelNames: ["store"] });
    this.#state = options.gauges === undefined ? undefined : new StateMetrics(this.#registry, this.#routes, options);
    this.#zero();
  }

  request(store: string, operation: string, status: number): void {
    this.#requests.inc({ store, operation, status: String(status) });
  }

  completed(rule: string, destination: string, sample: { readonly bytes: number; readonly latencyMs: number | null }): void {
    const labels = this.#routes.labels(rule, destination);
    this.#completed.inc(labels);
    this.#bytes.inc(labels, sample.bytes);
    // An event from a store whose clock is ahead arrives before it happened.
    if (sample.latencyMs !== null) this.#latency.observe(labels, Math.max(0, sample.latencyMs) / 1000);
  }

  failed(rule: string, destination: string): void {
    this.#failed.inc(this.#routes.labels(rule, destination));
  }

  storeUp(store: string, up: boolean): void {
    this.#storeUp.set({ store }, up ? 1 : 0);
  }

  verified(rule: string, destination: string, at: number): void {
    this.#verified.set(this.#routes.labels(rule, destination), at / 1000);
  }

  drift(rule: string, destination: string, objects: Drift): void {
    const labels = this.#routes.labels(rule, destination);
    for (const [kind, count] of Object.entries(objects)) this.#drift.set({ ...labels, kind }, count);
  }

  async scrape(): Promise<string> {
    await this.#state?.refresh();
    return this.#registry.metrics();
  }

  #zero(): void {
    for (const labels of this.#routes.all) {
      for (const counter of [this.#completed, this.#failed, this.#bytes]) counter.inc(labels, 0);
      this.#latency.zero(labels);
    }
  }
}

/** What is read from the state at each scrape. */
class StateMetrics {
  readonly #routes: RouteLabelNames;
  readonly #read: () => Promise<StateGauges>;
  readonly #now: () => number;
  readonly #operationsPending: Gauge<RouteLabel>;
  readonly #bytesPending: Gauge<RouteLabel>;
  readonly #oldestPending: Gauge<RouteLabel>;
  readonly #deadLetters: Gauge<RouteLabel>;
  readonly #deletesHeld: Gauge<RouteLabel>;

  constructor(registry: Registry, routes: RouteLabelNames, options: PrometheusMeterOptions) {
    const route = { registers: [registry], labelNames: ROUTE };
    this.#routes = routes;
    this.#read = options.gauges ?? (async () => ({ pending: [], summaries: [] }));
    this.#now = options.now ?? Date.now;
    this.#operationsPending = new Gauge({ name: "replicast_operations_pending", help: "Objects that wait", ...route });
    this.#bytesPending = new Gauge({ name: "replicast_bytes_pending", help: "Bytes of objects that wait, as far as known", ...route });
    this.#oldestPending = new Gauge({
      name: "replicast_oldest_pending_age_seconds",
      help: "Age of what waits longest; 0: nothing waits",
      ...route,
    });
    this.#deadLetters = new Gauge({ name: "replicast_dead_letters", help: "Objects that are FAILED now", ...route });
    this.#deletesHeld = new Gauge({ name: "replicast_deletes_held", help: "Operations held until a person decides", ...route });
  }

  /** Replaces all values at once, so that no scrape sees half of them. */
  async refresh(): Promise<void> {
    // What cannot be read is unknown, and a gauge that is not there says so; /readyz says why.
    const read = await this.#read().catch(() => undefined);
    this.#reset();
    if (read === undefined) return;
    for (const labels of this.#routes.all) this.#setAll(labels, 0);
    for (const summary of read.pending) this.#setPending(summary);
    for (const { route, failed, held } of read.summaries) {
      const labels = this.#routes.labels(route.rule, route.destination);
      this.#deadLetters.set(labels, failed);
      this.#deletesHeld.set(labels, held);
    }
  }

  #setPending({ route, operations, bytes, oldestAt }: PendingSummary): void {
    const labels = this.#routes.labels(route.rule, route.destination);
    this.#operationsPending.set(labels, operations);
    this.#bytesPending.set(labels, bytes);
    this.#oldestPending.set(labels, oldestAt === null ? 0 : Math.max(0, this.#now() - oldestAt) / 1000);
  }

  get #gauges(): readonly Gauge<RouteLabel>[] {
    return [this.#operationsPending, this.#bytesPending, this.#oldestPending, this.#deadLetters, this.#deletesHeld];
  }

  #reset(): void {
    for (const gauge of this.#gauges) gauge.reset();
  }

  #setAll(labels: RouteLabels, value: number): void {
    for (const gauge of this.#gauges) gauge.set(labels, value);
  }
}

/** Destinations are labelled by the id people gave them; rows and the planes may know them by their canonical id. */
class RouteLabelNames {
  readonly all: readonly RouteLabels[];
  readonly #byCanonicalId = new Map<string, RouteLabels>();

  constructor(rules: readonly Rule[]) {
    this.all = rules.flatMap((rule) => rule.destinations.map(({ id }) => ({ rule: rule.id, destination: id })));
    for (const rule of rules) {
      for (const { id, canonicalId } of rule.destinations) {
        this.#byCanonicalId.set(`${rule.id}\n${canonicalId}`, { rule: rule.id, destination: id });
      }
    }
  }

  labels(rule: string, destination: string): RouteLabels {
    return this.#byCanonicalId.get(`${rule}\n${destination}`) ?? { rule, destination };
  }
}
