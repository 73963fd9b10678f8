import assert from "node:assert/strict";
import { configureMesh, type MeshWorld } from "../mesh-world.ts";
import { startDaemon } from "../replicast.ts";
import {
  conflictsOf,
  keysOf,
  makeBuckets,
  type NamedPlace,
  put,
  waitForBody,
  waitForRow,
  waitUntilCompared,
  waitUntilIdle,
} from "./convergence.ts";
import { loseState, meshOf } from "./meshes.ts";
import type { Scenario } from "./scenario.ts";

const CHAIN = ["a:first", "b:second", "c:third"];

function chainOf(transit: boolean): readonly Readonly<Record<string, unknown>>[] {
  return [
    { id: "one", source: "a:first", destinations: ["b:second"], deletes: "propagate", unsafe: ["unconditional-deletes"] },
    { id: "two", source: "b:second", destinations: ["c:third"], deletes: "propagate", transit },
  ];
}

async function chainWithTransit(world: MeshWorld): Promise<void> {
  const [first, second, third] = (await makeBuckets(world, CHAIN)) as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, chainOf(true));
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(first, "k", "one");
  await waitForBody([second, third], "k", "one");
  await put(first, "k", "two");
  await waitForBody([second, third], "k", "two");
  await put(second, "own", "own");
  await waitForBody([third], "own", "own");
  await waitUntilIdle(daemon);
  await first.client.delete(first.bucket, "k");
  await waitForBody([second, third], "k", undefined);
  await waitUntilIdle(daemon);
  assert.deepEqual(await keysOf(first), []);
  await daemon.stop();
}

async function chainWithoutTransit(world: MeshWorld): Promise<void> {
  const [first, second, third] = (await makeBuckets(world, CHAIN)) as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, chainOf(false));
  await put(first, "before");
  await put(second, "own before");
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(first, "k");
  await waitForBody([second], "k", "k");
  await put(second, "own");
  await waitForBody([third], "own", "own");
  // A client that writes over the replica makes it an object of the second bucket.
  await put(first, "taken over", "of the first");
  await waitForBody([second], "taken over", "of the first");
  await put(second, "taken over", "of the second");
  await waitForBody([third], "taken over", "of the second");
  await waitUntilIdle(daemon);
  await daemon.stop();
  await using again = await startDaemon(world, world.port);
  await waitUntilCompared(again);
  assert.deepEqual(
    (await keysOf(third)).map(({ key }) => key),
    ["own", "own before", "taken over"],
  );
  await again.stop();
}

const HYBRID = ["a:team", "b:team", "c:out"];

function hybridOf(): readonly Readonly<Record<string, unknown>>[] {
  const out = { id: "out", source: "a:team", destinations: ["c:out"], deletes: "propagate" };
  return [meshOf(HYBRID.slice(0, 2), { unsafe: ["unconditional-deletes"] }), out];
}

async function hybrid(world: MeshWorld): Promise<void> {
  const [a, b, out] = (await makeBuckets(world, HYBRID)) as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, hybridOf());
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(a, "of a");
  await put(b, "of b");
  await waitForBody([b, out], "of a", "of a");
  await waitForBody([a], "of b", "of b");
  await waitUntilIdle(daemon);
  await b.client.setTags(b.bucket, "of b", { team: "green" });
  await put(b, "of b", "of b again");
  await waitForBody([a], "of b", "of b again");
  await waitUntilIdle(daemon);
  await daemon.stop();
  // A comparison sees the same objects with other eyes.
  await using again = await startDaemon(world, world.port);
  await waitUntilCompared(again);
  await waitForRow(again, [a, "of b"], { destination: "c:out", status: "REPLICA", reason: "NoTransit" });
  assert.deepEqual(
    (await keysOf(out)).map(({ key }) => key),
    ["of a"],
  );
  assert.deepEqual(await conflictsOf(again), []);
  await again.stop();
}

async function hybridDeletes(world: MeshWorld): Promise<void> {
  const [a, b, out] = (await makeBuckets(world, HYBRID)) as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, hybridOf());
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(a, "k", "of a");
  await waitForBody([b, out], "k", "of a");
  await waitUntilIdle(daemon);
  // A delete at b is b's: it reaches a, and the leaf keeps what a wrote.
  await b.client.delete(b.bucket, "k");
  await waitForBody([a], "k", undefined);
  await waitUntilIdle(daemon);
  await put(a, "k", "of a again");
  await waitForBody([b, out], "k", "of a again");
  await waitUntilIdle(daemon);
  await a.client.delete(a.bucket, "k");
  await waitForBody([b, out], "k", undefined);
  await waitUntilIdle(daemon);
  await daemon.stop();
}

async function hybridLedgerLost(world: MeshWorld): Promise<void> {
  const [a, b, out] = (await makeBuckets(world, HYBRID)) as [NamedPlace, NamedPlace, NamedPlace];
  await configureMesh(world, hybridOf());
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await put(a, "of a");
    await put(b, "of b");
    await waitForBody([b, out], "of a", "of a");
    await waitForBody([a], "of b", "of b");
    await waitUntilIdle(daemon);
    await daemon.stop();
  }
  await loseState(world);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await put(a, "later");
  await waitForBody([b, out], "later", "later");
  await waitUntilIdle(daemon);
  assert.deepEqual(
    (await keysOf(out)).map(({ key }) => key),
    ["later", "of a"],
  );
  assert.deepEqual(await conflictsOf(daemon), []);
  await daemon.stop();
}

export const hybridScenarios: readonly Scenario<MeshWorld>[] = [
  {
    title: "invariant 6: along a chain with transit what is written first arrives last, and so do overwrites and deletes",
    run: chainWithTransit,
  },
  { title: "invariant 6: along a chain without transit only what clients wrote in the middle goes on", run: chainWithoutTransit },
  { title: "invariant 6: with a mesh of two and a way out of one, what the other wrote never leaves", run: hybrid },
  { title: "invariants 4 and 6: beyond a mesh a delete counts where the object came from", run: hybridDeletes },
  { title: "invariant 6: with the ledger lost a replica is still known for one by its mark, and does not leave", run: hybridLedgerLost },
];
