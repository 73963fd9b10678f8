import assert from "node:assert/strict";
import { copyFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StatusDocument } from "../../../src/control-plane/contract.ts";
import { configureMesh, type MeshWorld } from "../mesh-world.ts";
import { askJson, assertRefused, replicast, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import {
  ask,
  conflictsOf,
  keysOf,
  makeBuckets,
  type NamedPlace,
  nextSecond,
  put,
  waitForBody,
  waitForRow,
  waitUntilCompared,
  waitUntilIdle,
  waitUntilSameKeys,
} from "./convergence.ts";
import { loseState, meshOf } from "./meshes.ts";
import type { Scenario } from "./scenario.ts";

const PAIR = ["a:team", "b:team"];
const SENTINEL = ".replicast/acme/epoch";

interface Rebuilt {
  readonly finished: boolean;
  readonly rules: readonly {
    readonly rule: string;
    readonly adopted: number;
    readonly copied: number;
    readonly held: number;
    readonly failed: number;
  }[];
}

async function startPair(world: MeshWorld): Promise<readonly [NamedPlace, NamedPlace]> {
  const team = (await makeBuckets(world, PAIR)) as unknown as readonly [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(PAIR)]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  for (const key of ["one", "two", "three"]) await put(team[0], key);
  for (const key of ["one", "two", "three"]) await waitForBody(team, key, key);
  await waitUntilIdle(daemon);
  await daemon.stop();
  return team;
}

async function ledgerOf(world: MeshWorld): Promise<StatusDocument["ledger"]> {
  return (await askJson<StatusDocument>(world, "status")).ledger;
}

/** Deletes at one member, sees the delete held, rebuilds, and sees the next delete pass. */
async function recover(world: MeshWorld, team: readonly [NamedPlace, NamedPlace], state: StatusDocument["ledger"]): Promise<void> {
  const [a, b] = team;
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await waitFor("the ledger to be distrusted", async () => (await ask<StatusDocument>(daemon, "status")).ledger === state);
    await put(a, "four");
    await waitForBody(team, "four", "four");
    await a.client.delete(a.bucket, "four");
    await waitForRow(daemon, [a, "four"], { destination: "b:team", status: "HELD", reason: "DeleteGate" });
    await daemon.stop();
  }
  assert.equal((await b.client.head(b.bucket, "four"))?.sizeBytes, 4);
  const { finished, rules } = await askJson<Rebuilt>(world, "rebuild-ledger");
  assert.equal(finished, true);
  assert.deepEqual(
    rules.map(({ rule, failed }) => [rule, failed]),
    [["team", 0]],
  );
  assert.equal(await ledgerOf(world), "TRUSTED");
  await waitUntilSameKeys(team);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  assert.equal((await ask<StatusDocument>(daemon, "status")).ledger, "TRUSTED");
  assert.deepEqual(await conflictsOf(daemon), []);
  await nextSecond();
  await b.client.delete(b.bucket, "one");
  await waitForBody(team, "one", undefined);
  await daemon.stop();
}

async function lost(world: MeshWorld): Promise<void> {
  const team = await startPair(world);
  await loseState(world);
  await recover(world, team, "LOST");
}

async function old(world: MeshWorld): Promise<void> {
  const team = await startPair(world);
  const [a, b] = team;
  const files = (await readdir(world.directory)).filter((name) => name.startsWith("replicast.db"));
  for (const name of files) await copyFile(join(world.directory, name), join(world.directory, `kept-${name}`));
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await nextSecond();
    await put(b, "two", "changed since");
    await a.client.delete(a.bucket, "three");
    await waitForBody(team, "two", "changed since");
    await waitForBody(team, "three", undefined);
    await waitUntilIdle(daemon);
    await daemon.stop();
  }
  await loseState(world);
  for (const name of files) await copyFile(join(world.directory, `kept-${name}`), join(world.directory, name));
  for (const name of files) await rm(join(world.directory, `kept-${name}`));
  await recover(world, team, "OLD");
  await waitForBody(team, "two", "changed since");
  await waitForBody(team, "three", undefined);
}

async function unclear(world: MeshWorld): Promise<void> {
  const [a, b] = await startPair(world);
  await loseState(world);
  await put(a, "odd", "by a");
  await put(b, "odd", "by b!");
  await put(b, "alone");
  const { rules } = await askJson<Rebuilt>(world, "rebuild-ledger");
  assert.deepEqual(
    rules.map(({ adopted, copied, held }) => ({ adopted, copied, isHeld: held > 0 })),
    [{ adopted: 3, copied: 1, isHeld: true }],
  );
  assert.equal((await a.client.get(a.bucket, "odd"))?.body.toString(), "by a");
  assert.equal((await b.client.get(b.bucket, "odd"))?.body.toString(), "by b!");
  await waitForBody([a, b], "alone", "alone");
}

async function daemonHasIt(world: MeshWorld): Promise<void> {
  await makeBuckets(world, PAIR);
  await configureMesh(world, [meshOf(PAIR)]);
  await using daemon = await startDaemon(world, world.port);
  assertRefused(await replicast(world, "rebuild-ledger"), 1, /./);
  await daemon.stop();
}

async function restarts(world: MeshWorld): Promise<void> {
  const team = await startPair(world);
  const [a] = team;
  for (let i = 0; i < 2; i++) {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await daemon.stop();
    assert.equal(await ledgerOf(world), "TRUSTED");
  }
  const generation = async ({ client, bucket }: NamedPlace) =>
    JSON.parse((await client.get(bucket, SENTINEL))?.body.toString() ?? "{}").generation;
  assert.deepEqual(await Promise.all(team.map(generation)), [3, 3]);
  assert.equal((await keysOf(a)).length, 3);
}

export const lostLedgerScenarios: readonly Scenario<MeshWorld>[] = [
  { title: "invariant 4: with the ledger lost deletes are held until it is rebuilt", run: lost },
  { title: "invariant 4: with the ledger put back from an old copy deletes are held until it is rebuilt", run: old },
  { title: "a rebuild adopts what is equal, copies what is missing and holds what is unclear", run: unclear },
  { title: "a ledger is not rebuilt under a daemon", run: daemonHasIt },
  { title: "a restart trusts its own ledger, and no sentinel is replicated", run: restarts },
];
