import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ObjectDocument, StatusDocument } from "../../../src/control-plane/contract.ts";
import { askJson, type Daemon, expectExit, startDaemon, startDaemonProcess } from "../replicast.ts";
import { type HeldWire, startWire } from "../slow-proxy.ts";
import { waitFor } from "../wait-for.ts";
import { type Config, defaultConfig, settle, type World } from "../world.ts";
import { destinationsOf, waitUntilEqual, waitUntilSameListing } from "./comparison.ts";
import { countWrites, fill } from "./crowd.ts";
import type { Scenario } from "./scenario.ts";

const PROMPT = { retry: { maxAttempts: 50, initial: "100ms", max: "1s" } };

/** Far less than what anybody waits for an answer that does not come, and far more than what 150 small objects take. */
const SOON_MS = 10_000;

async function crashes(world: World): Promise<void> {
  await settle(world, PROMPT);
  for (let round = 0; round < 3; round++) {
    await using daemon = await startDaemonProcess(world, world.port);
    const killAfter = 5 + Math.floor(Math.random() * 40);
    let killed: Promise<void> | undefined;
    const onWritten = (written: number): void => {
      if (written === killAfter) killed = daemon.kill();
    };
    await fill(world.a.client, { count: 50, prefix: `round ${round % 2}/`, onWritten });
    await killed;
  }
  await using daemon = await startDaemon(world, world.port);
  await waitUntilSameListing(world);
  await waitUntilNothingPends(world);
  await daemon.stop();
  await expectExit(0, world, ["verify", "--strict"]);
  const writes = await countWrites(world);
  await expectExit(0, world, ["run", "--until-idle"]);
  assert.equal(await countWrites(world), writes, "nothing was left to do");
}

async function lostEvents(world: World): Promise<void> {
  await settle(world, PROMPT);
  await world.a.client.put("photos", "before", { body: "before" });
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilEqual(world, "before");
    await daemon.stop();
  }
  await world.a.client.put("photos", "while down", { body: "while down" });
  await world.a.client.put("photos", "before", { body: "changed while down" });
  await using daemon = await startDaemon(world, world.port);
  for (const key of ["while down", "before"]) await waitUntilEqual(world, key);
  await daemon.stop();
}

async function storeDown(world: World): Promise<void> {
  await settle(world, PROMPT);
  await using daemon = await startDaemon(world, world.port);
  await world.a.client.put("photos", "first", { body: "first" });
  await waitUntilEqual(world, "first");
  await world.b.takeDown();
  await fill(world.a.client, { count: 100 });
  await waitUntilSameListing(world, destinationsOf(world).slice(0, 1), SOON_MS);
  const counts = async () => (await askJson<StatusDocument>(world, "status")).rules[0]?.destinations ?? [];
  // An object is there a moment before its row says so.
  const [near, far] = await waitFor("near to have nothing left", async () => {
    const found = await counts();
    return found[0]?.operationsPending === 0 && found;
  });
  assert.deepEqual([near?.operationsFailed, far?.operationsFailed, far?.operationsPending], [0, 0, 100]);
  const rows = async () => (await askJson<ObjectDocument>(world, "status", "a:photos/crowd/00000")).entries;
  const row = await waitFor("the error to be told", async () =>
    (await rows()).find((one) => one.destination === "b:far" && one.error?.message),
  );
  assert.equal(row.status, "PENDING");
  await world.b.bringBack();
  await waitUntilSameListing(world, destinationsOf(world), 2 * SOON_MS);
  await waitUntilNothingPends(world);
  await daemon.stop();
}

async function storeHangs(world: World): Promise<void> {
  await using wire = await startWire(world.b.endpoint);
  await settle(world, { ...PROMPT, ...behind(world, wire) });
  await using daemon = await startDaemon(world, world.port);
  await world.a.client.put("photos", "first", { body: "first" });
  await waitUntilEqual(world, "first");
  wire.holdAfter(0);
  await fill(world.a.client, { count: 150 });
  await waitUntilSameListing(world, destinationsOf(world).slice(0, 1), SOON_MS).finally(() => wire.release());
  await waitUntilSameListing(world);
  await waitUntilNothingPends(world);
  await daemon.stop();
}

async function refuses(world: World): Promise<void> {
  const destinations = ["a:near", "b:far", "b:not-there-yet"];
  await settle(world, { ...PROMPT, rules: [{ id: "photos", source: "a:photos", destinations }] });
  await using daemon = await startDaemon(world, world.port);
  await fill(world.a.client, { count: 40 });
  await waitUntilSameListing(world, destinationsOf(world).slice(0, 2));
  const rows = async () => (await askJson<ObjectDocument>(world, "status", "a:photos/crowd/00007")).entries;
  const refused = await waitFor("the refusal to be told", async () => (await rows()).find(({ error }) => error !== null));
  assert.deepEqual([refused.destination, refused.error?.code], ["b:not-there-yet", "NoSuchBucket"]);
  assert.ok(refused.error?.hint);
  await daemon.stop();
  await world.b.client.createBucket("not-there-yet");
  await expectExit(0, world, ["run", "--until-idle"]);
  await waitUntilSameListing(world, [{ client: world.b.client, bucket: "not-there-yet" }]);
}

async function drains(world: World): Promise<void> {
  await using wire = await startWire(world.b.endpoint);
  await using daemon = await uploadHeld(world, wire);
  daemon.signal("SIGTERM");
  await waitFor("the daemon to drain", async () => !(await isReady(daemon)));
  wire.release();
  assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
  await waitUntilEqual(world, "large");
  const { entries } = await askJson<ObjectDocument>(world, "status", "a:photos/large");
  assert.deepEqual(
    entries.map(({ status }) => status),
    ["COMPLETED", "COMPLETED", "COMPLETED"],
  );
  const writes = await countWrites(world);
  await expectExit(0, world, ["run", "--until-idle"]);
  assert.equal(await countWrites(world), writes);
}

async function secondSignal(world: World): Promise<void> {
  await using wire = await startWire(world.b.endpoint);
  await using daemon = await uploadHeld(world, wire);
  const ended = daemon.waitForExit();
  let status: Awaited<typeof ended> | undefined;
  void ended.then((exit) => (status = exit));
  // What follows within half a second is the same wish; the first signal after that is the second.
  await waitFor("the end", () => status ?? daemon.signal("SIGINT"), { intervalMs: 100 });
  assert.deepEqual(status, { code: 130, signal: null });
  wire.release();
  await expectExit(0, world, ["run", "--until-idle"]);
  await waitUntilEqual(world, "large");
}

/** A daemon in the middle of an upload in parts to store `b`: what fits into the buffers of the way is held too, for its answer is. */
async function uploadHeld(world: World, wire: HeldWire): Promise<Daemon> {
  await settle(world, { ...PROMPT, ...behind(world, wire) });
  const daemon = await startDaemonProcess(world, world.port);
  wire.holdAfter(2 << 20);
  const before = wire.sentBytes;
  await world.a.client.putMultipart("photos", "large", { parts: [5, 5, 1].map((mib) => randomBytes(mib << 20)) });
  await waitFor("an upload under way", () => wire.sentBytes >= before + (2 << 20));
  return daemon;
}

async function isReady({ url }: Daemon): Promise<boolean> {
  const answer = await fetch(`${url}/readyz`, { headers: { connection: "close" } }).catch(() => undefined);
  await answer?.text();
  return answer?.ok === true;
}

/** The config with store `b` reached over a wire. */
function behind(world: World, wire: HeldWire): Config {
  const { stores } = defaultConfig(world) as { readonly stores: { readonly a: object; readonly b: object } };
  return { stores: { ...stores, b: { ...stores.b, endpoint: wire.endpoint } } };
}

async function waitUntilNothingPends(world: World): Promise<void> {
  await waitFor(
    "no task to wait",
    async () => {
      const { rules } = await askJson<StatusDocument>(world, "status");
      const counts = rules.flatMap(({ destinations }) => destinations.map((one) => [one.operationsPending, one.operationsFailed]));
      assert.deepEqual(
        counts,
        counts.map(() => [0, 0]),
      );
      return true;
    },
    { timeoutMs: 20_000 },
  );
}

export const crashScenarios: readonly Scenario[] = [
  { title: "invariant 1: kill -9 at any moment while clients write loses nothing and leaves nothing stuck", run: crashes },
  { title: "invariant 1: what changed while the daemon was down is found when it starts", run: lostEvents },
];

export const outageScenarios: readonly Scenario[] = [
  { title: "invariant 7: a store that is down delays nothing of the others, and catches up when it is back", run: storeDown },
  { title: "invariant 7: a store that takes connections and answers nothing delays nothing of the others", run: storeHangs },
  { title: "invariant 7: a bucket that is not there is named, delays nothing of the others, and catches up once it is", run: refuses },
];

export const lifecycleScenarios: readonly Scenario[] = [
  { title: "invariant 1: SIGTERM lets the upload in flight end, and the daemon ends with 0", run: drains },
  { title: "invariant 1: a second Ctrl-C ends the daemon at once with 130, and the next run finishes the work", run: secondSignal },
];
