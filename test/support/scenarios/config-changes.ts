import assert from "node:assert/strict";
import { askJson, expectExit } from "../replicast.ts";
import { type Config, configure, defaultConfig, settle, type World } from "../world.ts";
import { countWrites } from "./crowd.ts";
import type { Scenario } from "./scenario.ts";

const KEYS = ["docs/a", "docs/b", "raw/c"];

interface Row {
  readonly rule: string;
  readonly destination: string;
  readonly key: string;
  readonly status: string;
}

const rule = (overrides: Config = {}): Config => ({ id: "photos", source: "a:photos", destinations: ["b:far"], ...overrides });
const untilIdle = (world: World) => expectExit(0, world, ["run", "--until-idle"]);
const keysAt = async (world: World, bucket: string) => (await world.b.client.list(bucket)).map(({ key }) => key).sort();

async function rowsOf(world: World): Promise<readonly Row[]> {
  return (await askJson<{ items: readonly Row[] }>(world, "objects", "list")).items;
}

/** A world in which one rule has replicated a few objects. */
async function replicated(world: World, changes: Config = {}): Promise<number> {
  await settle(world, { rules: [rule(changes)] });
  for (const key of KEYS) await world.a.client.put("photos", key, { body: key });
  await untilIdle(world);
  return countWrites(world);
}

async function renamedRule(world: World): Promise<void> {
  const writes = await replicated(world);
  await configure(world, { rules: [rule({ id: "pictures", renamedFrom: "photos" })] });
  await untilIdle(world);
  assert.equal(await countWrites(world), writes, "nothing is copied again");
  const rows = await rowsOf(world);
  assert.deepEqual(
    rows.map((row) => [row.rule, row.key, row.status]),
    KEYS.map((key) => ["pictures", key, "COMPLETED"]),
  );
}

async function renamedStore(world: World): Promise<void> {
  const writes = await replicated(world);
  const { stores } = defaultConfig(world) as { stores: Readonly<Record<string, unknown>> };
  await configure(world, { stores: { a: stores["a"], other: stores["b"] }, rules: [rule({ destinations: ["other:far"] })] });
  await untilIdle(world);
  assert.equal(await countWrites(world), writes, "nothing is copied again");
  assert.deepEqual(
    (await rowsOf(world)).map(({ destination, status }) => [destination, status]),
    KEYS.map(() => ["other:far", "COMPLETED"]),
  );
}

async function removedRule(world: World): Promise<void> {
  const writes = await replicated(world);
  await configure(world, { rules: [] });
  await world.a.client.delete("photos", "docs/a");
  await untilIdle(world);
  assert.deepEqual(await keysAt(world, "far"), KEYS);
  await configure(world, { rules: [rule()] });
  await untilIdle(world);
  assert.equal(await countWrites(world), writes, "what was known of it is known again");
}

async function removedDestination(world: World): Promise<void> {
  await replicated(world, { destinations: ["b:far", "b:archive"] });
  await configure(world, { rules: [rule({ destinations: ["b:far"] })] });
  await world.a.client.put("photos", "later", { body: "later" });
  await untilIdle(world);
  assert.deepEqual(await keysAt(world, "archive"), KEYS);
  assert.deepEqual(await keysAt(world, "far"), [...KEYS.slice(0, 2), "later", "raw/c"]);
}

async function changedFilter(world: World): Promise<void> {
  await replicated(world, { filter: { prefix: "docs/" } });
  assert.deepEqual(await keysAt(world, "far"), KEYS.slice(0, 2));
  await configure(world, { rules: [rule()] });
  await untilIdle(world);
  assert.deepEqual(await keysAt(world, "far"), KEYS, "widened: what it newly lets in is copied");
  await configure(world, { rules: [rule({ filter: { prefix: "raw/" }, deletes: "propagate" })] });
  await untilIdle(world);
  assert.deepEqual(await keysAt(world, "far"), KEYS, "narrowed: what it lets in no more stays");
}

export const configChangeScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 5: a rule under a new id keeps what is known, with renamedFrom", run: renamedRule },
  { title: "invariants 1 and 5: a store under a new alias keeps what is known", run: renamedStore },
  { title: "invariant 4: a rule that is removed removes nothing, and one that comes back copies nothing again", run: removedRule },
  { title: "invariant 4: a destination that is removed keeps its objects and gets no more", run: removedDestination },
  { title: "invariant 4: a wider filter copies what it newly lets in, a narrower one removes nothing", run: changedFilter },
];
