import assert from "node:assert/strict";
import type { ChangeDocument, HeldDeleteItem, ListDocument } from "../../../src/control-plane/contract.ts";
import { configureMesh, type MeshWorld } from "../mesh-world.ts";
import { askJson, type Daemon, startDaemon } from "../replicast.ts";
import { waitFor } from "../wait-for.ts";
import {
  ask,
  bodyOf,
  keysOf,
  makeBucket,
  makeBuckets,
  type NamedPlace,
  put,
  type Row,
  type Versioning,
  waitForBody,
  waitForRow,
  waitUntilCompared,
  waitUntilIdle,
  waitUntilSameKeys,
} from "./convergence.ts";
import { meshOf } from "./meshes.ts";
import type { Scenario } from "./scenario.ts";

const VERSIONINGS: readonly Versioning[] = ["Unversioned", "Enabled", "Suspended"];

type Mode = "none" | "markers" | "propagate";
const MODES: readonly Mode[] = ["none", "markers", "propagate"];

interface Cell {
  readonly mode: Mode;
  readonly source: NamedPlace;
  readonly sourceKind: Versioning;
  readonly destination: NamedPlace;
  readonly destinationKind: Versioning;
}

/** A source and, for every mode, a rule from it to a destination of every kind. */
async function makeTable(world: MeshWorld): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  for (const sourceKind of VERSIONINGS) {
    const source = await makeBucket(world, `a:from-${sourceKind.toLowerCase()}`, sourceKind);
    for (const mode of MODES) {
      for (const destinationKind of VERSIONINGS) {
        const name = `b:${mode}-${sourceKind}-${destinationKind}`.toLowerCase();
        cells.push({ mode, source, sourceKind, destination: await makeBucket(world, name, destinationKind), destinationKind });
      }
    }
  }
  return cells;
}

function rulesOf(cells: readonly Cell[]): readonly Readonly<Record<string, unknown>>[] {
  const bySource = Map.groupBy(cells, ({ mode, source }) => `${mode}-${source.bucket}`);
  return [...bySource].map(([id, [first, ...others]]) => {
    assert.ok(first);
    return { id, source: first.source.name, deletes: first.mode, destinations: [first, ...others].map((cell) => cell.destination.name) };
  });
}

/** What becomes of a delete. A bucket that was never versioned has no markers. */
function fateOf({ mode, sourceKind, destinationKind }: Cell): Omit<Row, "destination"> {
  if (mode === "none") return { status: "COMPLETED", operation: "copy" };
  if (mode === "propagate") return { status: "COMPLETED", operation: "delete" };
  if (sourceKind === "Unversioned") return { status: "SKIPPED", reason: "NoDeleteMarker", operation: "delete" };
  return destinationKind === "Enabled" ? { status: "COMPLETED", operation: "delete" } : { status: "FAILED", reason: "CapabilityMissing" };
}

async function currentDeletes(world: MeshWorld): Promise<void> {
  const cells = await makeTable(world);
  const sources = [...new Set(cells.map(({ source }) => source))];
  await configureMesh(world, rulesOf(cells));
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  const keys = ["alone", "with others 1", "with others 2"];
  for (const source of sources) for (const key of keys) await put(source, key);
  for (const { source, destination } of cells) await waitUntilSameKeys([source, destination]);
  await waitUntilIdle(daemon);
  for (const { client, bucket } of sources) {
    await client.delete(bucket, "alone");
    await client.deleteMany(bucket, keys.slice(1));
  }
  for (const cell of cells) await assertFate(daemon, cell, keys);
  for (const source of sources) await put(source, "alone", "created again");
  for (const { destination } of cells) await waitForBody([destination], "alone", "created again");
  await daemon.stop();
}

async function assertFate(daemon: Daemon, cell: Cell, keys: readonly string[]): Promise<void> {
  const fate = fateOf(cell);
  const isGone = fate.operation === "delete" && fate.status === "COMPLETED";
  for (const key of keys) {
    await waitForRow(daemon, [cell.source, key], { destination: cell.destination.name, ...fate });
    assert.equal(await bodyOf(cell.destination, key), isGone ? undefined : key, `${cell.destination.name} ${key}`);
    await assertMarkers(cell, key, isGone);
  }
}

/** A versioned bucket keeps what was deleted there, below one marker. */
async function assertMarkers({ destination, destinationKind }: Cell, key: string, isGone: boolean): Promise<void> {
  if (destinationKind !== "Enabled") return;
  const versions = await destination.client.versions(destination.bucket, key);
  const markers = versions.filter(({ deleteMarker }) => deleteMarker).length;
  assert.deepEqual([markers, versions.length], isGone ? [1, 2] : [0, 1], `versions of ${key} in ${destination.name}`);
}

async function versionDeletes(world: MeshWorld): Promise<void> {
  const source = await makeBucket(world, "a:from", "Enabled");
  const [plain, versioned, suspended] = [
    await makeBucket(world, "b:unversioned", "Unversioned"),
    await makeBucket(world, "b:versioned", "Enabled"),
    await makeBucket(world, "b:suspended", "Suspended"),
  ];
  const replicas = [plain, versioned, suspended] as readonly NamedPlace[];
  await configureMesh(world, [{ id: "feed", source: source.name, destinations: replicas.map(({ name }) => name), deletes: "propagate" }]);
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  const written: (string | undefined)[] = [];
  for (const body of ["one", "two", "three"]) {
    written.push((await put(source, "k", body)).versionId);
    await waitForBody(replicas, "k", body);
    await waitUntilIdle(daemon);
  }
  const [one, , three] = written;
  const copies = await versioned?.client.versions(versioned.bucket, "k");
  // An old version goes: nothing that is current has changed.
  await source.client.delete(source.bucket, "k", one);
  // A write after it tells when the delete has been seen.
  await put(source, "after", "after");
  await waitForBody(replicas, "after", "after");
  await waitUntilIdle(daemon);
  assert.deepEqual(await versioned?.client.versions(versioned.bucket, "k"), copies, "no copy was made and none deleted");
  await waitForBody(replicas, "k", "three");
  // The current version goes: the one before it is current again.
  await source.client.delete(source.bucket, "k", three);
  await waitForBody(replicas, "k", "two");
  await waitUntilIdle(daemon);
  await source.client.delete(source.bucket, "k");
  await waitForBody(replicas, "k", undefined);
  await waitUntilIdle(daemon);
  const marker = (await source.client.versions(source.bucket, "k")).find(({ deleteMarker }) => deleteMarker);
  await source.client.delete(source.bucket, "k", marker?.versionId);
  await waitForBody(replicas, "k", "two");
  await daemon.stop();
}

async function foreign(world: MeshWorld): Promise<void> {
  const [source, destination] = (await makeBuckets(world, ["a:from", "b:sink"])) as [NamedPlace, NamedPlace];
  await configureMesh(world, [{ id: "feed", source: source.name, destinations: [destination.name], deletes: "propagate" }]);
  await put(destination, "never ours", "somebody's");
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  await source.client.delete(source.bucket, "never ours");
  await put(source, "changed", "ours");
  await waitForBody([destination], "changed", "ours");
  await waitUntilIdle(daemon);
  await put(destination, "changed", "somebody's");
  await source.client.delete(source.bucket, "changed");
  await waitForRow(daemon, [source, "changed"], {
    destination: destination.name,
    status: "SKIPPED",
    reason: "NotOurs",
    operation: "delete",
  });
  // A store need not tell of a delete that deleted nothing; what comes after it is told in any case.
  await put(source, "after");
  await waitForBody([destination], "after", "after");
  await waitUntilIdle(daemon);
  await daemon.stop();
  await using again = await startDaemon(world, world.port);
  await waitUntilCompared(again);
  for (const key of ["never ours", "changed"]) assert.equal(await bodyOf(destination, key), "somebody's");
  await again.stop();
}

const DELETES = 30;
const PASSING = 10;

interface Gated {
  readonly source: NamedPlace;
  readonly destination: NamedPlace;
}

async function shutGate(world: MeshWorld, then: (gated: Gated, keys: readonly string[]) => Promise<void>): Promise<void> {
  const [source, destination] = (await makeBuckets(world, ["a:from", "b:sink"])) as [NamedPlace, NamedPlace];
  const rule = { id: "feed", source: source.name, destinations: [destination.name], deletes: "propagate" };
  await configureMesh(world, [rule], { deleteGate: { max: PASSING, percent: 100, window: "10m" } });
  await using daemon = await startDaemon(world, world.port);
  await waitUntilCompared(daemon);
  const keys = Array.from({ length: DELETES }, (_, i) => `k${String(i).padStart(2, "0")}`);
  for (const key of keys) await put(source, key);
  for (const key of keys) await waitForBody([destination], key, key);
  await waitUntilIdle(daemon);
  await source.client.deleteMany(source.bucket, keys);
  const held = async () => {
    const { items } = await ask<ListDocument<HeldDeleteItem>>(daemon, "deletes");
    assert.equal(items.length, DELETES - PASSING);
    return items;
  };
  await waitFor("the deletes beyond the limit to be held", held);
  await waitUntilIdle(daemon);
  const { items } = await askJson<ListDocument<HeldDeleteItem>>(world, "deletes", "list");
  const heldKeys = items.map(({ key }) => key).sort();
  const left = (await keysOf(destination)).map(({ key }) => key);
  assert.deepEqual(heldKeys, left, "what is held is what is still there");
  for (const { rule, destination: at, bucket, bytes } of items)
    assert.deepEqual([rule, at, bucket, bytes], ["feed", destination.name, source.name, 3]);
  await then({ source, destination }, heldKeys);
  await daemon.stop();
}

async function approved(world: MeshWorld): Promise<void> {
  await shutGate(world, async ({ source, destination }, held) => {
    const written = held[0] ?? "";
    await put(source, written, "written since");
    await waitForBody([destination], written, "written since");
    const stillHeld = async () => (await askJson<ListDocument<HeldDeleteItem>>(world, "deletes", "list")).items.length;
    await waitFor("its delete to be held no more", async () => (await stillHeld()) === held.length - 1);
    const { changed } = await askJson<ChangeDocument>(world, "deletes", "approve", "--all", "--yes");
    assert.equal(changed, held.length - 1);
    for (const key of held.slice(1)) await waitForBody([destination], key, undefined);
    assert.equal(await bodyOf(destination, written), "written since");
  });
}

async function rejected(world: MeshWorld): Promise<void> {
  await shutGate(world, async ({ source, destination }, held) => {
    const { changed } = await askJson<ChangeDocument>(world, "deletes", "reject", "--all");
    assert.equal(changed, held.length);
    assert.deepEqual((await askJson<ListDocument<HeldDeleteItem>>(world, "deletes", "list")).items, []);
    await put(source, "later");
    await waitForBody([destination], "later", "later");
    await source.client.delete(source.bucket, "later");
    await waitForBody([destination], "later", undefined);
    assert.deepEqual(
      (await keysOf(destination)).map(({ key }) => key),
      held,
      "what was rejected stays",
    );
  });
}

async function incapable(world: MeshWorld): Promise<void> {
  const team = await makeBuckets(world, ["a:team", "b:team"]);
  const [a, b] = team as [NamedPlace, NamedPlace];
  await configureMesh(world, [meshOf(["a:team", "b:team"])]);
  {
    await using daemon = await startDaemon(world, world.port);
    await waitUntilCompared(daemon);
    await put(a, "k");
    await waitForBody(team, "k", "k");
    await waitUntilIdle(daemon);
    await a.client.delete(a.bucket, "k");
    const row = await waitForRow(daemon, [a, "k"], { destination: "b:team", status: "FAILED", reason: "CapabilityMissing" });
    assert.match(row.error?.hint ?? "", /unsafe: \[unconditional-deletes\]/);
    assert.equal(await bodyOf(b, "k"), "k");
    await daemon.stop();
  }
  await configureMesh(world, [meshOf(["a:team", "b:team"], { unsafe: ["unconditional-deletes"] })]);
  await using daemon = await startDaemon(world, world.port);
  await waitForBody([b], "k", undefined);
  await waitUntilIdle(daemon);
  await put(b, "k", "again");
  await waitForBody(team, "k", "again");
  await daemon.stop();
}

export const oneWayDeleteScenarios: readonly Scenario<MeshWorld>[] = [
  {
    title: "invariant 4: deletes into leaves are none, markers or all, as the rule says and both sides' versions allow",
    run: currentDeletes,
  },
  {
    title: "invariants 2 and 4: removing an old version changes nothing, the current one uncovers the one before, and undelete restores",
    run: versionDeletes,
  },
  { title: "invariant 4: what replicast did not put there, or somebody changed since, is not deleted", run: foreign },
  { title: "invariant 4: too many deletes are held until a person approves, each decided again", run: approved },
  { title: "invariant 4: held deletes that a person rejects remove nothing, and later ones pass", run: rejected },
];

/** For stores that ignore a condition on a delete. */
export const unconditionalDeleteScenarios: readonly Scenario<MeshWorld>[] = [
  {
    title: "invariant 4: without versions or conditional deletes a two-way delete fails with a hint, unless that is accepted",
    run: incapable,
  },
];
