import assert from "node:assert/strict";
import type { ListDocument, ObjectListItem, StatusDocument } from "../../../src/control-plane/contract.ts";
import { askJson, expectExit, replicast } from "../replicast.ts";
import { settle, type World } from "../world.ts";
import { waitUntilEqual, waitUntilSameListing } from "./comparison.ts";
import { countWrites, fill } from "./crowd.ts";
import { ATTRIBUTES } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

async function backfills(world: World): Promise<void> {
  await settle(world);
  await fill(world.a.client, { count: 120 });
  await world.a.client.put("photos", "page", { ...ATTRIBUTES, body: "page" });
  await expectExit(0, world, ["run", "--until-idle"]);
  await waitUntilSameListing(world);
  await waitUntilEqual(world, "page");
  await hasCopiedOnce(world, 121);
  await expectExit(0, world, ["run", "--until-idle"]);
  await hasCopiedOnce(world, 121);
}

/** A gateway may tell of objects late, of which some were listed and copied by then: these alone are copied again. */
async function hasCopiedOnce(world: World, objects: number): Promise<void> {
  const { intake } = await askJson<StatusDocument>(world, "status");
  const told = intake.reduce((sum, { received, ignored }) => sum + received - ignored, 0);
  const writes = await countWrites(world);
  assert.ok(writes >= objects && writes <= objects + told, `${writes} writes for ${objects} objects, with ${told} events`);
}

async function failedLeavesOne(world: World): Promise<void> {
  const destinations = ["a:near", { bucket: "b:far", id: "far", prefix: "prefix/" }];
  await settle(world, { rules: [{ id: "photos", source: "a:photos", destinations }] });
  const long = ["x", "y", "z", "u"].map((letter) => letter.repeat(255)).join("/");
  for (const key of [long, "short"]) await world.a.client.put("photos", key, { body: key });
  const { code, stderr } = await replicast(world, "run", "--until-idle");
  assert.equal(code, 1, stderr);
  const { items } = await askJson<ListDocument<ObjectListItem>>(world, "objects", "list", "--status", "FAILED");
  assert.deepEqual(
    items.map(({ key, destination }) => [key, destination]),
    [[long, "far"]],
  );
  assert.ok(items[0]?.error?.message, "a reason that a person can act on");
  assert.deepEqual(
    (await world.b.client.list("far")).map(({ key }) => key),
    ["prefix/short"],
  );
  assert.equal((await world.a.client.list("near")).length, 2, "the other destination has both");
}

export const backfillScenarios: readonly Scenario[] = [
  {
    title: "invariants 1 and 5: run --until-idle copies what was there before and ends with 0; a second run copies nothing",
    run: backfills,
  },
];

/** For destinations that refuse a key of more than 1,024 bytes. */
export const failureScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 7: run --until-idle ends with 1 where an object FAILED, and the rest is copied", run: failedLeavesOne },
];
