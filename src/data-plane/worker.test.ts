import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { openSqliteHarness } from "../../test/contract/sqlite-state.ts";
import { carefulWaysOver } from "../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { systemClock } from "../app/system-clock.ts";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { Meter } from "../ports/meter.ts";
import type { Route, TaskStore, Want } from "../ports/state.ts";
import { bucketOf, MemoryObjectStore } from "../testing/memory-object-store.ts";
import { MemoryTransfer, type TransferPlan } from "../testing/memory-transfer.ts";
import type { StateHarness } from "../testing/state-contract.ts";
import type { CarefulWays } from "./careful-ways.ts";
import { toRoute } from "./diff.ts";
import { RuleIndex } from "./rule-index.ts";
import { failed } from "./settlement.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

const source = bucketOf("source");
const [one, two] = [destinationOf(bucketOf("one")), destinationOf(bucketOf("two"))];
const RULE = ruleOf(source, [one, two]);
const [TO_ONE, TO_TWO] = [toRoute(RULE, one), toRoute(RULE, two)];

interface Scene extends StateHarness {
  readonly objects: MemoryObjectStore;
  readonly transfer: MemoryTransfer;
  readonly worker: Worker;
  readonly log: string[];
  readonly metered: string[];
  want(...wants: readonly (Partial<Want> & { readonly key: string })[]): Promise<void>;
  /** The row of a key once it satisfies the condition. */
  row(route: Route, key: string, status: LedgerEntry["status"]): Promise<LedgerEntry>;
}

interface SceneOptions {
  readonly plan?: TransferPlan;
  readonly rules?: readonly Rule[];
  readonly tasks?: (tasks: TaskStore) => TaskStore;
  readonly options?: Partial<WorkerOptions>;
}

/** Longer than outcomes are gathered. */
const GATHERING_MS = 50;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Looks again at every turn of the event loop. */
async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const deadline = performance.now() + 5_000; performance.now() < deadline; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await turn();
  }
  throw new Error(`waited in vain for ${what}`);
}

function scene(
  { plan, rules = [RULE], tasks = (same) => same, options = {} }: SceneOptions,
  run: (scene: Scene, t: TestContext) => Promise<void>,
) {
  return async (t: TestContext): Promise<void> => {
    const harness = await openSqliteHarness();
    const stores = new Map([source, one.bucket, two.bucket].map((bucket) => [bucket.id, new MemoryObjectStore(bucket)]));
    const transfer = new MemoryTransfer((bucket) => stores.get(bucket.id)!, plan);
    const [log, metered]: [string[], string[]] = [[], []];
    const say = (message: string) => log.push(message);
    const index = new RuleIndex(rules);
    const clock: Clock = { ...systemClock, now: harness.now };
    const storeOf = (bucket: Bucket) => stores.get(bucket.id)!;
    const worker = new Worker({
      tasks: tasks(harness.state.tasks),
      transfer,
      careful: carefulWaysOver({ transfer, storeOf, state: harness.state, rules: index, clock }),
      rules: index,
      clock,
      logger: { debug: say, info: say, warn: say, error: say },
      meter: meterInto(metered),
      retry: { maxAttempts: 3, initialMs: 1_000, maxMs: 1_000 },
      concurrency: 4,
      ...options,
    });
    try {
      await run(
        {
          ...harness,
          objects: stores.get(source.id)!,
          transfer,
          worker,
          log,
          metered,
          want: (...wants) => harness.state.tasks.want(wants.map((want) => ({ route: TO_ONE, lane: "live", eventTime: null, ...want }))),
          row: (route, key, status) =>
            until(`${key} ${status}`, async () => {
              const row = await harness.state.ledger.get(route, key);
              return row?.status === status && row.attempts > 0 ? row : undefined;
            }),
        },
        t,
      );
    } finally {
      await worker.drain(0);
      await harness.close();
    }
  };
}

function meterInto(lines: string[]): Meter {
  const ignore = () => undefined;
  return {
    request: ignore,
    storeUp: ignore,
    verified: ignore,
    completed: (rule, destination, { bytes }) => lines.push(`completed ${rule} ${destination} ${bytes}`),
    failed: (rule, destination) => lines.push(`failed ${rule} ${destination}`),
  };
}

const failing =
  (code: ConstructorParameters<typeof ReplicationError>[0]): TransferPlan =>
  () => ({
    kind: "failed",
    error: new ReplicationError(code, "as planned"),
  });

describe("Worker", () => {
  it(
    "what stands of a delete stays in its row until the attempts are over (invariant 4)",
    scene(
      {
        rules: [{ ...RULE, deletes: "propagate" }],
        options: {
          careful: {
            settle: async () => failed(new ReplicationError("SlowDown", "no"), { standing: "DeleteRejected" }),
          } as unknown as CarefulWays,
        },
      },
      async ({ want, row, worker, advance }) => {
        await want({ key: "k", changes: { missed: true } });
        worker.start();
        const waiting = await row(TO_ONE, "k", "PENDING");
        assert.deepEqual([waiting.reason, waiting.error?.code], ["DeleteRejected", "SlowDown"]);
        await advance(1_000);
        await until("a second attempt", async () => ((await row(TO_ONE, "k", "PENDING")).attempts === 2 ? true : undefined));
        await advance(1_000);
        assert.equal((await row(TO_ONE, "k", "FAILED")).reason, "SlowDown");
      },
    ),
  );

  it(
    "reads an object once for all its destinations, and records each",
    scene({}, async (at) => {
      at.objects.plant("k", {}, "12345");
      await at.want({ key: "k", eventTime: at.now() - 40 }, { key: "k", route: TO_TWO, eventTime: at.now() - 40 });
      at.worker.start();
      for (const route of [TO_ONE, TO_TWO]) {
        const row = await at.row(route, "k", "COMPLETED");
        assert.deepEqual([row.replica?.bytes, row.replica?.proof, row.replicationLatencyMs, row.attempts], [5, "etag", 40, 1]);
        assert.match(row.replica?.attributeHash ?? "", /^[0-9a-f]{64}$/);
      }
      assert.deepEqual(
        at.transfer.requests.map(({ destinations }) => destinations.length),
        [2],
      );
      await until("the report", () => at.metered.length === 2 || undefined);
      assert.deepEqual(at.metered.sort(), ["completed rule one:one 5", "completed rule one:two 5"]);
      assert.deepEqual(await at.state.tasks.pending(), []);
    }),
  );

  it(
    "works on what comes later too, whatever the number",
    scene({ options: { concurrency: 2 } }, async (at) => {
      at.worker.start();
      const keys = Array.from({ length: 25 }, (_, i) => `k${i}`);
      for (const key of keys) at.objects.plant(key);
      await at.want(...keys.map((key) => ({ key })));
      await Promise.all(keys.map((key) => at.row(TO_ONE, key, "COMPLETED")));
    }),
  );

  it("never has more objects under way than it may, and as many as it may", async (t) => {
    let [running, most] = [0, 0];
    const plan: TransferPlan = async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      return undefined;
    };
    await scene({ options: { concurrency: 3 }, plan }, async (at) => {
      await at.want(...Array.from({ length: 20 }, (_, i) => ({ key: `k${i}` })));
      at.worker.start();
      await until("all to be done", async () => (await at.state.tasks.pending()).length === 0 || undefined);
      assert.equal(most, 3);
    })(t);
  });

  it(
    "gives the hint where all tasks of the object share it, and none where they differ",
    scene({}, async (at) => {
      const { etag, sizeBytes } = at.objects.plant("same");
      at.objects.plant("differ");
      const hint = { etag, sizeBytes };
      await at.want({ key: "same", hint }, { key: "same", hint, route: TO_TWO });
      await at.want({ key: "differ", hint }, { key: "differ", hint: { ...hint, etag: "other" }, route: TO_TWO });
      at.worker.start();
      await at.row(TO_TWO, "same", "COMPLETED");
      await at.row(TO_TWO, "differ", "COMPLETED");
      const hints = Object.fromEntries(at.transfer.requests.map((request) => [request.key, request.hint?.etag]));
      assert.deepEqual(hints, { same: etag, differ: undefined });
    }),
  );

  it(
    "postpones what may pass, tries again without the hint, and fails when the attempts are used up",
    scene({ plan: failing("StoreUnreachable") }, async (at) => {
      await at.want({ key: "k", hint: { etag: "aa", sizeBytes: 1 } });
      at.worker.start();
      for (const attempts of [1, 2]) {
        await until(`attempt ${attempts}`, async () => (await at.state.ledger.get(TO_ONE, "k"))?.attempts === attempts || undefined);
        const row = await at.state.ledger.get(TO_ONE, "k");
        assert.deepEqual([row?.status, row?.error?.code, row?.finishedAt], ["PENDING", "StoreUnreachable", null]);
        await at.advance(1_001);
      }
      const row = await at.row(TO_ONE, "k", "FAILED");
      assert.deepEqual([row.attempts, row.reason, row.error?.message], [3, "StoreUnreachable", "as planned"]);
      assert.deepEqual(
        at.transfer.requests.map(({ hint }) => hint?.etag),
        ["aa", undefined, undefined],
      );
      await until("the report", () => at.metered.length > 0 || undefined);
      assert.deepEqual([at.metered, at.log], [["failed rule one:one"], ["replication failed"]]);
    }),
  );

  it(
    "fails at once what cannot pass, and one destination alone (invariant 7)",
    scene(
      {
        plan: ({ destinations }) => ({
          kind: "done",
          source: { etag: "e", sizeBytes: 1, lastModified: 0, attributes: null },
          outcomes: destinations.map(({ bucket }) =>
            bucket.id === one.bucket.id
              ? { kind: "failed", error: new ReplicationError("AccessDenied", "no") }
              : { kind: "copied", etag: "e", proof: "provider", notes: ["ETagNotKept"] },
          ),
        }),
      },
      async (at) => {
        await at.want({ key: "k" }, { key: "k", route: TO_TWO });
        at.worker.start();
        assert.deepEqual((await at.row(TO_ONE, "k", "FAILED")).reason, "AccessDenied");
        const row = await at.row(TO_TWO, "k", "COMPLETED");
        assert.deepEqual([row.notes, row.replica?.attributeHash, row.replica?.proof], [["ETagNotKept"], null, "provider"]);
      },
    ),
  );

  it(
    "skips what is gone, filtered out, or no rule's any more",
    scene({ rules: [{ ...RULE, destinations: [one], filter: { prefix: "a/" } }] }, async (at) => {
      await at.want({ key: "a/gone" }, { key: "b" }, { key: "a/x", route: TO_TWO });
      at.worker.start();
      assert.equal((await at.row(TO_ONE, "a/gone", "SKIPPED")).reason, "SourceGone");
      assert.equal((await at.row(TO_ONE, "b", "SKIPPED")).reason, "FilteredOut");
      assert.equal((await at.row(TO_TWO, "a/x", "SKIPPED")).reason, "RuleRemoved");
      assert.equal(at.transfer.requests.length, 1);
    }),
  );

  it(
    "keeps what it knows of a replica when a later attempt fails",
    scene(
      { plan: (_, calls) => (calls > 1 ? { kind: "failed", error: new ReplicationError("AccessDenied", "no") } : undefined) },
      async (at) => {
        const { etag } = at.objects.plant("k");
        at.worker.start();
        await at.want({ key: "k" });
        await at.row(TO_ONE, "k", "COMPLETED");
        await at.want({ key: "k" });
        assert.equal((await at.row(TO_ONE, "k", "FAILED")).replica?.etag, etag);
      },
    ),
  );

  it("finishes what is under way when drained, and claims nothing more", async (t) => {
    const gate = Promise.withResolvers<void>();
    await scene({ plan: () => gate.promise.then(() => undefined) }, async (at) => {
      at.objects.plant("k");
      await at.want({ key: "k" });
      at.worker.start();
      await until("work", () => at.transfer.requests.length === 1 || undefined);
      const drained = at.worker.drain(60_000);
      await at.want({ key: "late" });
      gate.resolve();
      await drained;
      assert.equal((await at.row(TO_ONE, "k", "COMPLETED")).status, "COMPLETED");
      assert.equal(at.transfer.requests.length, 1);
      assert.equal((await at.state.tasks.pending())[0]?.operations, 1);
    })(t);
  });

  it(
    "gives back untouched what a drain had to break off",
    scene(
      {
        plan: ({ signal }) =>
          new Promise((resolve) => {
            const error = new ReplicationError("Aborted", "interrupted");
            signal?.addEventListener("abort", () => resolve({ kind: "failed", error }));
          }),
      },
      async (at) => {
        await at.want({ key: "k" });
        at.worker.start();
        await until("work", () => at.transfer.requests.length === 1 || undefined);
        await at.worker.drain(0);
        const [task] = await at.state.tasks.claim({ max: 1, now: at.now(), leaseMs: 1_000 });
        assert.deepEqual([task?.key, task?.attempts], ["k", 0]);
        assert.deepEqual(at.log, []);
      },
    ),
  );

  it(
    "says nothing of an outcome whose lease was lost (invariant 10)",
    scene({ tasks: (tasks) => ({ ...faces(tasks), record: async (outcomes) => outcomes.map(() => false) }) }, async (at) => {
      at.objects.plant("k");
      await at.want({ key: "k" });
      at.worker.start();
      await until("the copy", () => (at.transfer.requests.length === 1 && at.worker.isIdle) || undefined);
      assert.deepEqual(at.metered, []);
    }),
  );

  it("goes on after the state refused to be read, at a pace, though nothing rings", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let refusals = 3;
    let claims = 0;
    const unavailable = new ReplicationError("LedgerUnavailable", "disk full");
    const refusing = (tasks: TaskStore): TaskStore => ({
      ...faces(tasks),
      onDue: () => () => undefined,
      claim: async (options) => {
        claims++;
        if (refusals-- > 0) throw unavailable;
        return tasks.claim(options);
      },
      nextDueAt: async () => {
        if (refusals > 0) throw unavailable;
        return tasks.nextDueAt();
      },
    });
    await scene({ tasks: refusing }, async (at) => {
      at.objects.plant("k");
      await at.want({ key: "k" });
      at.worker.start();
      for (const count of [1, 2, 3]) {
        await until(`claim ${count}`, () => (claims === count && at.log.length === count) || undefined);
        for (let i = 0; i < 20; i++) await turn();
        assert.equal(claims, count, "not asked again at once");
        t.mock.timers.tick(60_000);
      }
      await until("the copy to be made", () => at.transfer.requests.length === 1 && at.worker.busy === 0);
      t.mock.timers.tick(GATHERING_MS);
      await at.row(TO_ONE, "k", "COMPLETED");
    })(t);
  });

  it("gives tasks back whose outcome could not be recorded, and works on them again later", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let refusals = 1;
    const refusing = (tasks: TaskStore): TaskStore => ({
      ...faces(tasks),
      record: async (outcomes) => {
        if (refusals-- > 0) throw new ReplicationError("LedgerUnavailable", "disk full");
        return tasks.record(outcomes);
      },
    });
    await scene({ tasks: refusing }, async (at) => {
      at.objects.plant("k");
      await at.want({ key: "k" });
      at.worker.start();
      await until("the copy to be made", () => at.transfer.requests.length === 1 && at.worker.busy === 0);
      t.mock.timers.tick(GATHERING_MS);
      await until("the refusal", () => (at.log.length === 1 && at.worker.isIdle) || undefined);
      for (let i = 0; i < 20; i++) await turn();
      assert.equal(at.transfer.requests.length, 1, "not tried again at once");
      t.mock.timers.tick(1_000);
      await until("the copy to be made again", () => at.transfer.requests.length === 2 && at.worker.busy === 0);
      t.mock.timers.tick(GATHERING_MS);
      await at.row(TO_ONE, "k", "COMPLETED");
    })(t);
  });
});

/** The methods of a store, to be overridden one by one. */
function faces(tasks: TaskStore): TaskStore {
  return {
    want: (wants) => tasks.want(wants),
    claim: (options) => tasks.claim(options),
    record: (outcomes) => tasks.record(outcomes),
    release: (leased) => tasks.release(leased),
    nextDueAt: () => tasks.nextDueAt(),
    pending: () => tasks.pending(),
    onDue: (callback) => tasks.onDue(callback),
  };
}
