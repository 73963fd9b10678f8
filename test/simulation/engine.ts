import { rebuildState } from "../../src/app/rebuild-ledger.ts";
import { approveDeletes, type OperationScope, redriveFailures, rejectDeletes } from "../../src/control-plane/operations.ts";
import { FAILURES, Rows, rowId } from "../../src/control-plane/rows.ts";
import { attributePass } from "../../src/data-plane/attribute-pass.ts";
import { type BackfillSummary, backfillRule } from "../../src/data-plane/backfill.ts";
import { CarefulWays } from "../../src/data-plane/careful-ways.ts";
import { EventIntake } from "../../src/data-plane/event-intake.ts";
import { OwnWrites } from "../../src/data-plane/interior/own-writes.ts";
import { RuleIndex } from "../../src/data-plane/rule-index.ts";
import { SyncSchedule } from "../../src/data-plane/sync-schedule.ts";
import { Worker } from "../../src/data-plane/worker.ts";
import type { Bucket } from "../../src/domain/bucket.ts";
import type { GateLimits } from "../../src/domain/delete-gate.ts";
import type { ParsedMessage } from "../../src/domain/event.ts";
import type { Rule } from "../../src/domain/rule.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import type { Route, State } from "../../src/ports/state.ts";
import type { Transfer } from "../../src/ports/transfer.ts";
import { silentMeter } from "../../src/testing/silent-meter.ts";

/** What a process is made of: ports, each of them already slowed down, failed and stopped as the run wants it. */
export interface ProcessParts {
  readonly rules: readonly Rule[];
  readonly state: State;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly transfer: Transfer;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly deleteGate: GateLimits;
  readonly logger: Logger;
  /** Null: this process compares no buckets by itself. */
  readonly syncMs: number | null;
  /** Whether the events of a store wait while nobody takes them in. */
  readonly eventsAreQueued: (rule: Rule) => boolean;
  /** Whether the state is the one that its buckets know. @defaultValue it is */
  readonly isTrusted?: (() => Promise<boolean>) | undefined;
}

/** Short enough for a paused worker to lose it within the hours that a run has. */
const LEASE_MS = 6 * 60 * 60_000;
/** Who looks again and again whether something is over does so less often here. */
const LOOKS_EVERY_MS = 1_000;
export const RETRY = { maxAttempts: 8, initialMs: 1_000, maxMs: 60_000 } as const;

/** One running replicast, put together as the product puts itself together, over the ports of a simulated world. */
export class EngineProcess {
  readonly #parts: ProcessParts;
  readonly #rules: RuleIndex;
  readonly #careful: CarefulWays;
  readonly #worker: Worker;
  readonly #intake: EventIntake;
  readonly #schedule: SyncSchedule | undefined;

  constructor(parts: ProcessParts) {
    const { state, transfer, clock, logger, storeOf, syncMs, random, newId, deleteGate } = parts;
    const rules = new RuleIndex(parts.rules);
    const ownWrites = new OwnWrites(clock);
    this.#parts = parts;
    this.#rules = rules;
    this.#careful = new CarefulWays({ transfer, storeOf, state, rules, clock, ownWrites, deleteGate, newId, isTrusted: parts.isTrusted });
    this.#worker = new Worker({
      tasks: state.tasks,
      transfer,
      rules,
      clock,
      logger,
      meter: silentMeter,
      retry: RETRY,
      concurrency: 4,
      careful: this.#careful,
      random,
      leaseMs: LEASE_MS,
    });
    this.#intake = new EventIntake({
      tasks: state.tasks,
      journal: state.journal,
      holdings: state.holdings,
      rules,
      storeOf,
      clock,
      ownWrites,
    });
    if (syncMs === null) return;
    this.#schedule = new SyncSchedule({
      rules: parts.rules.filter(isComparedItself).map((rule) => ({
        rule,
        everyMs: syncMs,
        stores: [...new Set(legsOf(rule, parts.rules).map(({ source }) => source.store))],
        eventsAreQueued: legsOf(rule, parts.rules).every(parts.eventsAreQueued),
      })),
      sync: (rule, signal) => this.sync(rule, signal),
      journal: state.journal,
      clock,
      logger,
    });
  }

  start(): void {
    this.#worker.start();
    // Where the state refuses to be read the start of the product fails; a simulated one is started again by the world.
    this.#schedule?.start().catch(() => undefined);
  }

  /** Takes a message in; where it cannot be made durable its store is synced, as behind the webhook. */
  async accept(store: string, message: ParsedMessage): Promise<void> {
    try {
      await this.#intake.accept(store, message);
    } catch (error) {
      await this.#schedule?.noteOutage(store).catch(() => undefined);
      throw error;
    }
  }

  sync(rule: Rule, signal?: AbortSignal): Promise<BackfillSummary> {
    const { state, storeOf, clock } = this.#parts;
    return backfillRule({
      rule,
      rules: this.#rules,
      state,
      storeOf,
      clock,
      meter: silentMeter,
      room: async () => undefined,
      onCounted: (route, objects) => this.#careful.gates.counted(route, objects),
      signal,
    });
  }

  /** What a person says of all deletes that are held. */
  async decideHeld(word: "approve" | "reject"): Promise<number> {
    const scope = this.#scope();
    const { changed } = await (word === "approve" ? approveDeletes(scope, { all: true }) : rejectDeletes(scope, { all: true }));
    return changed;
  }

  /** Has failures tried again: the first, those of its rule, or all. */
  async redrive(which: "one" | "rule" | "all"): Promise<number> {
    const scope = this.#scope();
    const { rows } = await new Rows(scope.rules, scope.state).pageOfKind({ limit: 1 }, FAILURES);
    const [first] = rows;
    if (first === undefined) return 0;
    const selection = which === "one" ? { ids: [rowId(first)] } : which === "rule" ? { rule: first.entry.rule } : { all: true as const };
    return (await redriveFailures(scope, selection)).changed;
  }

  #scope(): OperationScope {
    const { rules, state, clock } = this.#parts;
    const reopenGate = (route: Route) => this.#careful.gates.reopen(route);
    return { name: "simulated", rules, state, now: () => clock.now(), reopenGate };
  }

  /** Looks for attributes that differ though bytes do not. */
  compareAttributes(rule: Rule): Promise<{ readonly wanted: number }> {
    const { state, storeOf, clock } = this.#parts;
    return attributePass({ rule, destinations: rule.destinations, storeOf, state, clock });
  }
}

/** Puts the ledger together again as `rebuild-ledger` does, with nobody else at work. */
export async function rebuildLedger(parts: ProcessParts): Promise<void> {
  const { rules, state, storeOf, transfer, clock, random, newId, deleteGate } = parts;
  const buckets = new Map(
    rules.flatMap(({ source, destinations }) => [source, ...destinations.map(({ bucket }) => bucket)]).map((bucket) => [bucket.id, bucket]),
  );
  await rebuildState({
    config: { rules, deleteGate, retry: RETRY, limits: { concurrency: 4 } },
    buckets: [...buckets.values()],
    state,
    stores: { storeOf, transfer },
    machine: { clock: { ...clock, sleep: (ms, signal) => clock.sleep(Math.max(ms, LOOKS_EVERY_MS), signal) }, random, newId },
    renew: async () => {
      const known = await state.journal.epoch();
      await state.journal.saveEpoch({ epoch: known?.epoch ?? newId(), generation: (known?.generation ?? 0) + 1, distrust: null });
    },
    onOutcome: () => undefined,
    signal: new AbortController().signal,
  });
}

/** The members of a mesh are all compared by its first. */
export function isComparedItself({ mesh, source }: Rule): boolean {
  return mesh === undefined || mesh[0] === source.id;
}

function legsOf(rule: Rule, rules: readonly Rule[]): readonly Rule[] {
  return rule.mesh === undefined ? [rule] : rules.filter(({ id }) => id === rule.id);
}
