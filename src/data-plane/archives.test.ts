import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { openSqliteHarness } from "../../test/contract/sqlite-state.ts";
import { carefulWaysOver } from "../../test/support/careful-ways.ts";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import { type AdaptedStore, adapt, bucketIn, transferOver } from "../../test/support/s3-adapter.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { parseMessage } from "../adapters/event-source/s3-notification.ts";
import { systemClock } from "../app/system-clock.ts";
import { redriveFailures } from "../control-plane/operations.ts";
import type { Restore, Rule } from "../domain/rule.ts";
import { Body } from "../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import { S3Error } from "../embedded-s3/s3-error.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../embedded-s3/server.ts";
import { silentMeter } from "../testing/silent-meter.ts";
import { toRoute } from "./diff.ts";
import { EventIntake } from "./event-intake.ts";
import { OwnWrites } from "./interior/own-writes.ts";
import { RuleIndex } from "./rule-index.ts";
import { Worker } from "./worker.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const RESTORE: Restore = { days: 2, tier: "Standard" };
const QUARTER_HOUR_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/** How far the archive's clock is ahead. */
let leaptMs = 0;
let servers: readonly [RunningEmbeddedS3, RunningEmbeddedS3];
before(async () => {
  const start = () => startEmbeddedS3({ credentials, model: new EmbeddedS3Model({ now: () => Date.now() + leaptMs }) });
  servers = [await start(), await start()];
});
after(() => Promise.all(servers.map((server) => server.close())));

let round = 0;
let name: string;
beforeEach(() => {
  name = `bucket-${++round}`;
  for (const { model } of servers) model.createBucket(name);
});

/** A worker of one rule over two real stores, an archived object at its source, and its event. */
async function withWorker(overrides: Partial<Rule>, run: (at: Awaited<ReturnType<typeof open>>) => Promise<void>): Promise<void> {
  const at = await open(overrides);
  try {
    await run(at);
  } finally {
    await at.close();
  }
}

async function open(overrides: Partial<Rule>) {
  const { model } = servers[0];
  const stores: readonly [AdaptedStore, AdaptedStore] = [
    adapt("here", { endpoint: servers[0].endpoint, credentials }),
    adapt("there", { endpoint: servers[1].endpoint, credentials }),
  ];
  const over = transferOver(stores);
  const harness = await openSqliteHarness();
  const clock = { ...systemClock, now: harness.now };
  const destination = destinationOf(bucketIn(stores[1], name), { storageClass: "STANDARD" });
  const rule = ruleOf(bucketIn(stores[0], name), [destination], overrides);
  const route = toRoute(rule, destination);
  const rules = new RuleIndex([rule]);
  const { state } = harness;
  const { storeOf, transfer } = over;
  const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const careful = carefulWaysOver({ transfer, storeOf, state, rules, clock });
  const retry = { maxAttempts: 3, initialMs: 1_000, maxMs: 1_000 };
  const meter = silentMeter;
  const worker = new Worker({ tasks: state.tasks, transfer, careful, rules, clock, logger: quiet, meter, retry, concurrency: 4 });
  const intake = new EventIntake({ ...state, rules, storeOf, clock, ownWrites: new OwnWrites(clock) });
  const stopListening = model.onEvent((record) => void intake.accept("here", parseMessage({ Records: [record] })));
  worker.start();
  const row = () => state.ledger.get(route, "k");
  return {
    model,
    requests: stores[0].requests,
    asked: () => stores[0].requests.filter((operation) => operation === "RestoreObject").length,
    advance: harness.advance,
    row,
    rowWith: (status: string, reason: string | null) =>
      waitFor(`${status} ${reason}`, async () => {
        const found = await row();
        return found?.status === status && found.reason === reason && worker.isIdle ? found : undefined;
      }),
    /** Waits for this many more attempts to fail. */
    triesAgain: async (times: number) => {
      for (let attempts = 1; attempts <= times; attempts++) {
        await waitFor(`attempt ${attempts}`, async () => worker.isIdle && (await row())?.attempts === attempts);
        await harness.advance(1_000);
      }
    },
    archive: (content = "x") => model.putObject(name, "k", { body: Body.of(content), storageClass: "GLACIER" }),
    isCopied: async () => (await storeOf(destination.bucket).head("k")) !== undefined,
    /** What a comparison would wish for, or the clock. */
    look: () => state.tasks.want([{ route, key: "k", lane: "live", eventTime: null }]),
    /** What a person would wish for. */
    redrive: () => redriveFailures({ name: "acme", rules: [rule], state, now: harness.now }, { all: true }),
    deafen: stopListening,
    close: async () => {
      stopListening();
      await worker.drain(0);
      await over.close();
      await harness.close();
    },
  };
}

/** The destination takes nothing until it relents. */
function refuseWrites(code: "AccessDenied" | "InternalError"): () => void {
  const { model } = servers[1];
  model.putObject = () => {
    throw new S3Error(code);
  };
  return () => {
    delete (model as Partial<EmbeddedS3Model>).putObject;
  };
}

describe("archived objects", () => {
  it("fail for good where the rule does not ask for them, and nothing is asked of the archive", () =>
    withWorker({}, async ({ archive, rowWith, asked }) => {
      archive();
      const { error, attempts } = await rowWith("FAILED", "ArchivedObject");
      assert.deepEqual([error?.code, attempts, asked()], ["ArchivedObject", 1, 0]);
    }));

  it("are asked for once, wait without counting attempts, and are copied when the event says that they can be read", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, rowWith, asked, look, isCopied }) => {
      archive();
      const waiting = await rowWith("PENDING", "BeingRestored");
      assert.deepEqual([waiting.error, asked(), await isCopied()], [null, 1, false]);
      await look();
      await rowWith("PENDING", "BeingRestored");
      assert.equal(asked(), 1);
      model.completeRestore(name, "k");
      const { attempts } = await rowWith("COMPLETED", null);
      assert.deepEqual([attempts, await isCopied(), asked()], [1, true, 1]);
    }));

  it("are looked at again after a while where no event comes", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, rowWith, requests, advance, asked, deafen, isCopied }) => {
      archive();
      await rowWith("PENDING", "BeingRestored");
      deafen();
      const before = requests.length;
      await advance(QUARTER_HOUR_MS - 1);
      await rowWith("PENDING", "BeingRestored");
      assert.equal(requests.length, before);
      model.completeRestore(name, "k");
      await advance(1);
      await rowWith("COMPLETED", null);
      assert.deepEqual([await isCopied(), asked()], [true, 1]);
    }));

  for (const [why, code, told] of [
    ["for good", "AccessDenied", "AccessDenied"],
    ["until no retries are left", "InternalError", "StoreError"],
  ] as const)
    it(`are not restored again by themselves where the destination refused the copy ${why}`, () =>
      withWorker({ restore: RESTORE }, async ({ archive, model, rowWith, asked, look, advance, triesAgain, redrive, isCopied }) => {
        const relent = refuseWrites(code);
        try {
          archive();
          await rowWith("PENDING", "BeingRestored");
          model.completeRestore(name, "k");
          if (told === "StoreError") await triesAgain(2);
          await rowWith("FAILED", told);
          leaptMs += 3 * DAY_MS;
          const messages = new Set<string | undefined>();
          for (const _ of [1, 2]) {
            await look();
            await advance(5 * 60_000); // a destination that fails is left alone for a while
            const { error, attempts } = await rowWith("FAILED", "ArchivedObject");
            messages.add(error?.message);
            assert.equal(attempts, 1);
            assert.match(error?.hint ?? "", /failures redrive/);
          }
          assert.match([...messages].join("|"), new RegExp(`^[^|]*${told}[^|]*$`), "the same reason each time");
          assert.equal(asked(), 1);
        } finally {
          relent();
        }
        assert.equal((await redrive()).changed, 1);
        await rowWith("PENDING", "BeingRestored");
        assert.equal(asked(), 2);
        model.completeRestore(name, "k");
        const { notes } = await rowWith("COMPLETED", null);
        assert.deepEqual([await isCopied(), notes], [true, []]);
      }));

  it("are restored anew once the source object is another one", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, rowWith, asked, look }) => {
      const relent = refuseWrites("AccessDenied");
      try {
        archive();
        await rowWith("PENDING", "BeingRestored");
        model.completeRestore(name, "k");
        await rowWith("FAILED", "AccessDenied");
        leaptMs += 3 * DAY_MS;
        await look();
        await rowWith("FAILED", "ArchivedObject");
      } finally {
        relent();
      }
      archive("another");
      await rowWith("PENDING", "BeingRestored");
      assert.equal(asked(), 2);
    }));

  it("are restored anew where nobody came by while they could be read", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, rowWith, asked, deafen, advance }) => {
      archive();
      await rowWith("PENDING", "BeingRestored");
      deafen();
      model.completeRestore(name, "k");
      leaptMs += 3 * DAY_MS;
      await advance(QUARTER_HOUR_MS);
      await waitFor("the second request", () => asked() === 2);
      await rowWith("PENDING", "BeingRestored");
    }));

  it("move no bytes again where they were replicated, and are restored for something else", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, row, rowWith, requests, advance }) => {
      archive();
      await rowWith("PENDING", "BeingRestored");
      model.completeRestore(name, "k");
      const first = await rowWith("COMPLETED", null);
      const before = requests.length;
      leaptMs += 3 * DAY_MS;
      await advance(1);
      model.restoreObject(name, "k", { days: 1 });
      model.completeRestore(name, "k");
      await waitFor("the event's task", async () => (await row())?.status === "COMPLETED" && (await row())?.startedAt !== first.startedAt);
      assert.deepEqual(requests.slice(before), ["HeadObject"]);
    }));

  it("fail with what to do where they may not be asked for", () =>
    withWorker({ restore: RESTORE }, async ({ archive, model, rowWith }) => {
      model.restoreObject = () => {
        throw new S3Error("AccessDenied");
      };
      archive();
      try {
        const { error } = await rowWith("FAILED", "AccessDenied");
        assert.equal(error?.operation, "RestoreObject");
        assert.match(error?.hint ?? "", /s3:RestoreObject/);
      } finally {
        delete (model as Partial<EmbeddedS3Model>).restoreObject;
      }
    }));
});
