import { toRoute } from "../../src/data-plane/diff.ts";
import { type Healed, type HealingJobs, heal, readReport } from "../../src/data-plane/native/heal.ts";
import type { PairFacts } from "../../src/data-plane/native/look.ts";
import { type Watched, watchDirection } from "../../src/data-plane/native/watch.ts";
import type { Destination, Rule } from "../../src/domain/rule.ts";
import type { LedgerEntry } from "../../src/domain/status.ts";
import type { BatchFailure, BatchJob } from "../../src/ports/batch-replication.ts";
import type { Observation } from "../../src/ports/object-store.ts";
import { LeapingClock } from "../../src/testing/leaping-clock.ts";
import { bucketOf, MemoryObjectStore } from "../../src/testing/memory-object-store.ts";
import { MemoryTransfer, type TransferPlan } from "../../src/testing/memory-transfer.ts";
import type { StateHarness } from "../../src/testing/state-contract.ts";
import { openSqliteHarness } from "../contract/sqlite-state.ts";
import { destinationOf, ruleOf } from "./rules.ts";

export const HOUR = 3_600_000;
/** When objects are planted that are no longer young. */
export const LONG_AGO: number = Date.UTC(2026, 0, 1);

/** A bucket whose current versions may be delete markers. */
export class MarkedStore extends MemoryObjectStore {
  readonly markers: Set<string> = new Set();

  override async observe(key: string): Promise<Observation> {
    return this.markers.has(key) ? { kind: "marker" } : super.observe(key);
  }
}

/** S3's batch jobs, which do nothing until a test says that they have. */
export class MemoryJobs implements HealingJobs {
  /** Tokens, in the order of the calls. */
  readonly started: string[] = [];
  report: readonly BatchFailure[] = [];
  refusal: Error | undefined;

  async latest(): Promise<BatchJob | undefined> {
    return undefined;
  }

  async startFailed(token: string): Promise<string> {
    if (this.refusal !== undefined) throw this.refusal;
    this.started.push(token);
    return `job-${this.started.length}`;
  }

  async *failures(): AsyncIterable<BatchFailure> {
    yield* this.report;
  }
}

export interface NativeScene {
  harness: StateHarness;
  readonly source: MarkedStore;
  readonly one: MarkedStore;
  readonly two: MarkedStore;
  readonly clock: LeapingClock;
  readonly jobs: MemoryJobs;
  readonly transfer: MemoryTransfer;
  readonly rule: Rule;
  /** One comparison, an hour after the last. */
  watch(facts?: Partial<PairFacts>): Promise<Watched>;
  /** A comparison, and what follows from it. */
  heal(facts?: Partial<PairFacts>): Promise<Healed>;
  report(...failures: readonly BatchFailure[]): Promise<number>;
  row(key: string, destination?: MarkedStore): Promise<LedgerEntry | undefined>;
  /** Closes the state and opens it again. */
  restart(): Promise<void>;
}

export interface SceneOptions {
  readonly rule?: Partial<Rule>;
  readonly destination?: Partial<Destination>;
  /** @defaultValue one */
  readonly destinations?: 1 | 2;
  readonly transfer?: TransferPlan;
}

const FACTS: PairFacts = { isSole: false, isInterior: false, isApplied: true, isRepaired: false };

/** Runs a test over a source, its destinations, a real state, and an S3 of which the test decides what it has done. */
export function nativeScene(options: SceneOptions, run: (scene: NativeScene) => Promise<void>): () => Promise<void> {
  return async () => {
    const stores = ["source", "one", "two"].map((name) => new MarkedStore(bucketOf(name)));
    const [source, one, two] = stores as [MarkedStore, MarkedStore, MarkedStore];
    const storeOf = ({ id }: { readonly id: string }) => stores.find(({ bucket }) => bucket.id === id) as MarkedStore;
    const ends = options.destinations === 2 ? [one, two] : [one];
    const rule = ruleOf(
      source.bucket,
      ends.map(({ bucket }) => destinationOf(bucket, options.destination)),
      options.rule,
    );
    const clock = new LeapingClock(LONG_AGO + HOUR);
    const jobs = new MemoryJobs();
    const transfer = new MemoryTransfer(storeOf, options.transfer);
    let facts = FACTS;
    const healing = () => ({ rule, ledger: scene.harness.state.ledger, transfer, clock, isLeaf: () => !facts.isInterior, jobs });
    const scene: NativeScene = {
      harness: await openSqliteHarness(),
      source,
      one,
      two,
      clock,
      jobs,
      transfer,
      rule,
      watch: async (given) => {
        facts = { ...FACTS, ...given };
        await clock.sleep(HOUR);
        const { ledger, journal } = scene.harness.state;
        return watchDirection({ rule, ledger, journal, storeOf, clock, factsOf: () => facts });
      },
      heal: async (given) => heal((await scene.watch(given)).candidates, healing()),
      report: (...failures) => {
        jobs.report = failures;
        return readReport(JOB, healing());
      },
      row: (key, destination = one) => {
        const found = rule.destinations.find(({ bucket }) => bucket.id === destination.bucket.id) as Destination;
        return scene.harness.state.ledger.get(toRoute(rule, found), key);
      },
      restart: async () => {
        scene.harness = await scene.harness.reopen();
      },
    };
    try {
      await run(scene);
    } finally {
      await scene.harness.close();
    }
  };
}

const JOB: BatchJob = {
  id: "job-1",
  description: "",
  status: "COMPLETED",
  total: 1,
  succeeded: 0,
  failed: 1,
  createdAt: LONG_AGO,
  endedAt: LONG_AGO,
  failureReasons: [],
};
