import assert from "node:assert/strict";
import type { StatusDocument } from "../../../src/control-plane/contract.ts";
import { askJson, type Daemon, expectExit, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import { configure, defaultConfig, settle, type World } from "../world.ts";
import { waitUntilEqual, waitUntilSameListing } from "./comparison.ts";
import { countWrites, fill } from "./crowd.ts";
import type { Scenario } from "./scenario.ts";

const KEYS = ["x", "y z+ü", "z%20"];

async function duplicates(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  for (const key of KEYS) for (const body of ["one", "two", "three"]) await world.a.client.put("photos", key, { body: `${key} ${body}` });
  for (const key of KEYS) await waitUntilEqual(world, key);
  const events = KEYS.flatMap((key) => [3, 1, 2, 1, 3, 2].map((sequencer) => event(key, sequencer)));
  await Promise.all(events.map((one) => post(daemon, one)));
  await waitUntilNothingPends(world);
  for (const key of KEYS) await waitUntilEqual(world, key);
  await daemon.stop();
  const writes = await countWrites(world);
  await expectExit(0, world, ["run", "--until-idle"]);
  assert.equal(await countWrites(world), writes, "the number of copies settles");
}

/** An event as AWS writes it, about a version of long ago. */
function event(key: string, sequencer: number): object {
  const object = { key: encodeURIComponent(key).replaceAll("%20", "+"), size: 3, eTag: "0".repeat(32), sequencer: `00${sequencer}` };
  const eventTime = new Date(Date.UTC(2020, 0, sequencer)).toISOString();
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    eventTime,
    eventName: "ObjectCreated:Put",
    s3: { bucket: { name: "photos" }, object },
  };
}

async function post({ url }: Daemon, record: object): Promise<void> {
  const headers = { "content-type": "application/json", connection: "close" };
  const answer = await fetch(`${url}/events/a`, { method: "POST", headers, body: JSON.stringify({ Records: [record] }) });
  assert.equal(answer.status, 200, await answer.text());
}

async function waitUntilNothingPends(world: World): Promise<void> {
  await waitFor("no task to wait", async () => {
    const { rules } = await askJson<StatusDocument>(world, "status");
    return rules.every(({ destinations }) => destinations.every(({ operationsPending }) => operationsPending === 0));
  });
}

async function polls(world: World): Promise<void> {
  await settle(world);
  await settleAgain(world, { type: "poll", every: "1s" });
  await using daemon = await startDaemon(world, world.port);
  await waitFor("the first comparison", async () => (await askJson<StatusDocument>(world, "status")).rules[0]?.lastSyncAt);
  await fill(world.a.client, { count: 20 });
  await waitUntilSameListing(world);
  await world.a.client.put("photos", "crowd/00003", { body: "changed" });
  await waitUntilEqual(world, "crowd/00003");
  await daemon.stop();
}

async function settleAgain(world: World, events: object): Promise<void> {
  const { stores } = defaultConfig(world) as { readonly stores: { readonly a: object } };
  await configure(world, { stores: { ...stores, a: { ...stores.a, events } } });
}

async function queued(world: World): Promise<void> {
  await settle(world);
  {
    await using daemon = await startDaemon(world, world.port);
    await world.a.client.put("photos", "a b+ü/100%.txt", { body: "first" });
    await waitUntilEqual(world, "a b+ü/100%.txt");
    await world.a.client.put("photos", "a b+ü/100%.txt", { body: "second" });
    await fill(world.a.client, { count: 30 });
    await waitUntilSameListing(world);
    await daemon.stop();
  }
  await world.a.client.put("photos", "while down", { body: "kept in the queue" });
  await using daemon = await startDaemon(world, world.port);
  await waitUntilEqual(world, "while down");
  const { intake } = await askJson<StatusDocument>(world, "status");
  assert.equal(intake.find(({ store }) => store === "a")?.malformed, 0);
  await daemon.stop();
}

export const intakeScenarios: readonly Scenario[] = [
  {
    title: "invariants 2 and 5: duplicate and reordered events end with the right content, and the number of copies settles",
    run: duplicates,
  },
  { title: "invariant 1: a store without events is polled", run: polls },
];

/** For worlds whose events wait in a queue. */
export const queueScenarios: readonly Scenario[] = [
  { title: "invariant 1: events from a queue are replicated, also those that came while nobody fetched them", run: queued },
];
