import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { StatusDocument } from "../../src/control-plane/contract.ts";
import { type EmbeddedWorld, openEmbeddedWorld } from "../support/embedded-world.ts";
import { type Interception, type Interceptor, interceptorBefore } from "../support/intercept.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { askJson, expectExit, startDaemon, startDaemonProcess, waitForLog } from "../support/replicast.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Config, configure, defaultConfig } from "../support/world.ts";

const MIB = 1024 ** 2;
const SIZES = [5 * MIB, 5 * MIB, 7];
const RULE = { id: "photos", source: "a:photos", destinations: ["b:far"] };
const RETRY = { maxAttempts: 1_000, initial: "100ms", max: "200ms" };

/** The numbers of the parts that came to the second store. */
class PartCounter {
  readonly #front: Interceptor;
  /** Parts above this are refused for now. */
  refusedAbove = SIZES.length;
  arrived: number[] = [];
  refused = 0;

  constructor(front: Interceptor) {
    this.#front = front;
    this.#front.intercept = ({ method, url = "" }) => {
      const part = method === "PUT" ? Number(/\/far\/k\?.*partNumber=(\d+)/.exec(url)?.[1] ?? 0) : 0;
      if (part > this.refusedAbove) return this.#refuse();
      if (part > 0) this.arrived.push(part);
      return undefined;
    };
  }

  /** Lets no upload be completed until it is released. */
  holdEnd(): { readonly reached: Promise<void>; release(): void } {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<undefined>();
    const { intercept } = this.#front;
    this.#front.intercept = (request) => {
      if (request.method !== "POST" || request.url?.startsWith("/far/k?uploadId=") !== true) return intercept(request);
      reached.resolve();
      return released.promise;
    };
    return { reached: reached.promise, release: () => released.resolve(undefined) };
  }

  /** Lets all parts pass, once a whole attempt has begun that knows of everything that was wanted until now. */
  async relent(): Promise<void> {
    const attempts = 2 * (SIZES.length - this.refusedAbove);
    const until = this.refused + attempts;
    await waitFor("two attempts", () => this.refused >= until);
    this.refusedAbove = SIZES.length;
  }

  #refuse(): Interception {
    this.refused++;
    return { status: 503, body: "<Error><Code>SlowDown</Code></Error>" };
  }
}

interface Setting {
  readonly rules?: readonly Config[];
  /** Where given, of both stores instead of theirs. */
  readonly poll?: Config;
}

async function openWorld(world: EmbeddedWorld, front: Interceptor, { rules = [RULE], poll }: Setting = {}): Promise<void> {
  await world.a.client.createBucket("photos");
  await world.b.client.createBucket("far");
  await world.wire("photos");
  const { stores } = defaultConfig(world) as { readonly stores: Readonly<Record<string, Config>> };
  const a = { ...stores["a"], ...poll };
  const b = { ...stores["b"], ...poll, endpoint: front.endpoint };
  await configure(world, { rules, retry: RETRY, stores: { a, b } });
}

const putParts = ({ a }: EmbeddedWorld) =>
  a.client.putMultipart("photos", "k", { parts: SIZES.map((size) => randomBytes(size)), metadata: { name: "v" } });

const openUploads = ({ b }: EmbeddedWorld) => b.model.listUploads("far").uploads.map(({ uploadId }) => uploadId);

const partsOf = ({ b }: EmbeddedWorld, uploadId: string) => [...b.model.upload("far", "k", uploadId).parts.keys()];

async function untilCopied(world: EmbeddedWorld, etag: string): Promise<void> {
  await waitFor("the replica", async () => (await world.b.client.head("far", "k"))?.etag === etag);
  await waitFor("the end of the upload", () => openUploads(world).length === 0);
}

async function untilNothingWaits(world: EmbeddedWorld): Promise<void> {
  await waitFor("the end of all tasks", async () => {
    const { rules } = await askJson<StatusDocument>(world, "status");
    return rules.every(({ destinations }) => destinations.every(({ operationsPending }) => operationsPending === 0));
  });
}

/** Waits for the end of a comparison that was not over yet. */
async function untilComparedAgain(world: EmbeddedWorld): Promise<void> {
  const last = async () => (await askJson<StatusDocument>(world, "status")).rules[0]?.lastSyncAt;
  const before = await last();
  await waitFor("another comparison", async () => {
    const now = await last();
    return now != null && now !== before;
  });
}

describe("a large object that a comparison wishes for while its copy is under way", () => {
  guardAgainstLeaks();
  const poll = { events: { type: "poll", every: "500ms" } };

  for (const [way, rule] of [
    ["a leaf", RULE],
    ["a leaf, deletes replicated", { ...RULE, deletes: "propagate" }],
    ["a member of a mesh", { id: "photos", mesh: ["a:photos", "b:far"] }],
  ] as const)
    test(`is copied once into ${way} (invariant 5)`, async () => {
      await using world = await openEmbeddedWorld();
      await using front = await interceptorBefore(world.b.endpoint);
      const parts = new PartCounter(front);
      await openWorld(world, front, { rules: [rule], poll });
      const end = parts.holdEnd();
      const { etag } = await putParts(world);
      await using daemon = await startDaemon(world, world.port);
      await end.reached;
      await untilComparedAgain(world);
      end.release();
      await untilCopied(world, etag);
      await untilComparedAgain(world);
      await untilNothingWaits(world);
      await daemon.stop();
      assert.deepEqual(parts.arrived.toSorted(), [1, 2, 3]);
      await expectExit(0, world, ["verify", "--strict"]);
    });
});

describe("a large object whose copy a daemon leaves behind", () => {
  guardAgainstLeaks();

  for (const way of ["kill", "stop"] as const) {
    test(`is gone on with by the next daemon, which uploads only the rest, after ${way === "kill" ? "kill -9" : "a drain"}`, async () => {
      await using world = await openEmbeddedWorld();
      await using front = await interceptorBefore(world.b.endpoint);
      const parts = new PartCounter(front);
      await openWorld(world, front);
      parts.refusedAbove = 1;
      await using first = await startDaemonProcess(world, world.port);
      const { etag } = await putParts(world);
      await waitFor("the first part", () => parts.arrived.length > 0);
      await waitFor("its end", () => openUploads(world).some((uploadId) => partsOf(world, uploadId).length === 1));
      await first[way]();
      assert.equal(openUploads(world).length, 1, "the upload is left");
      assert.deepEqual(parts.arrived, [1], "and it was gone on with by every attempt until then");
      await using second = await startDaemon(world, world.port);
      await waitForLog(second, "compared by listing"); // which wants the key once more
      await parts.relent();
      await untilCopied(world, etag);
      await untilNothingWaits(world);
      await second.stop();
      assert.deepEqual(parts.arrived.toSorted(), [1, 2, 3]);
      assert.deepEqual((await world.b.client.head("far", "k"))?.metadata, { name: "v" });
      await expectExit(0, world, ["verify", "--strict"]);
    });
  }

  test("leaves nothing of a source that was overwritten meanwhile (invariant 2)", async () => {
    await using world = await openEmbeddedWorld();
    await using front = await interceptorBefore(world.b.endpoint);
    const parts = new PartCounter(front);
    await openWorld(world, front);
    parts.refusedAbove = 1;
    await using first = await startDaemonProcess(world, world.port);
    await putParts(world);
    await waitFor("the first part", () => openUploads(world).some((uploadId) => partsOf(world, uploadId).length === 1));
    await first.kill();
    const { etag } = await putParts(world);
    parts.arrived = [];
    await using second = await startDaemon(world, world.port);
    await waitForLog(second, "compared by listing");
    await parts.relent();
    await untilCopied(world, etag);
    await second.stop();
    assert.deepEqual(parts.arrived.toSorted(), [1, 2, 3]);
    await expectExit(0, world, ["verify", "--strict"]);
  });
});
