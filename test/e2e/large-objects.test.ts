import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { type EmbeddedWorld, openEmbeddedWorld } from "../support/embedded-world.ts";
import { type Interception, type Interceptor, interceptorBefore } from "../support/intercept.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { expectExit, startDaemon, startDaemonProcess, waitForLog } from "../support/replicast.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Config, configure, defaultConfig } from "../support/world.ts";

const MIB = 1024 ** 2;
const SIZES = [5 * MIB, 5 * MIB, 7];
const RULES = [{ id: "photos", source: "a:photos", destinations: ["b:far"] }];
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
      const part = method === "PUT" ? Number(/partNumber=(\d+)/.exec(url)?.[1] ?? 0) : 0;
      if (part > this.refusedAbove) return this.#refuse();
      if (part > 0) this.arrived.push(part);
      return undefined;
    };
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

async function openWorld(world: EmbeddedWorld, front: Interceptor): Promise<void> {
  await world.a.client.createBucket("photos");
  await world.b.client.createBucket("far");
  await world.wire("photos");
  const { stores } = defaultConfig(world) as { readonly stores: Readonly<Record<string, Config>> };
  await configure(world, { rules: RULES, retry: RETRY, stores: { ...stores, b: { ...stores["b"], endpoint: front.endpoint } } });
}

const putParts = ({ a }: EmbeddedWorld) =>
  a.client.putMultipart("photos", "k", { parts: SIZES.map((size) => randomBytes(size)), metadata: { name: "v" } });

const openUploads = ({ b }: EmbeddedWorld) => b.model.listUploads("far").uploads.map(({ uploadId }) => uploadId);

const partsOf = ({ b }: EmbeddedWorld, uploadId: string) => [...b.model.upload("far", "k", uploadId).parts.keys()];

async function untilCopied(world: EmbeddedWorld, etag: string): Promise<void> {
  await waitFor("the replica", async () => (await world.b.client.head("far", "k"))?.etag === etag);
  await waitFor("the end of the upload", () => openUploads(world).length === 0);
}

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
