import assert from "node:assert/strict";
import type { ListDocument, ObjectListItem } from "../../../src/control-plane/contract.ts";
import { rawS3 } from "../raw-s3.ts";
import { askJson, expectExit, replicast, startDaemon } from "../replicast.ts";
import { settle, type World } from "../world.ts";
import { waitUntilSameListing } from "./comparison.ts";
import type { Scenario } from "./scenario.ts";

/** Keys that some stores rewrite, hide or refuse. Client libraries rewrite some of them too, so they are written raw. */
const UNUSUAL: readonly string[] = ["x//y", "/lead", "./x", "../x", "a/./b", "flat".padEnd(1024, "x")];

async function putUnusual(world: World): Promise<void> {
  for (const key of [...UNUSUAL, "usual"]) {
    const { status, body } = await rawS3(world.a, { method: "PUT", bucket: "photos", key, body: `body of ${key}` });
    assert.equal(status, 200, body.toString());
  }
}

async function refused(world: World): Promise<void> {
  await settle(world);
  await putUnusual(world);
  const { code, stderr } = await replicast(world, "run", "--until-idle");
  assert.equal(code, 1, stderr);
  const keys = async (bucket: string) => (await world.b.client.list(bucket)).map(({ key }) => key);
  assert.deepEqual([await keys("far"), await keys("archive")], [["usual"], ["usual"]]);
  const { items } = await askJson<ListDocument<ObjectListItem>>(world, "objects", "list", "--status", "FAILED");
  assert.deepEqual(namesOf(items, "b:far"), [...UNUSUAL].sort());
  assert.deepEqual(namesOf(items, "b:archive"), [...UNUSUAL].sort());
  assert.deepEqual(namesOf(items, "a:near"), []);
  for (const { error } of items) {
    assert.equal(error?.code, "KeyNotRepresentable");
    assert.ok(error?.hint, "what a person can do about it");
  }
}

function namesOf(items: readonly ObjectListItem[], destination: string): string[] {
  return items
    .filter((item) => item.destination === destination)
    .map(({ key }) => key)
    .sort();
}

async function kept(world: World): Promise<void> {
  await settle(world);
  await using daemon = await startDaemon(world, world.port);
  await putUnusual(world);
  await waitUntilSameListing(world);
  await daemon.stop();
  await expectExit(0, world, ["verify", "--attributes"]);
}

/** For destinations that cannot hold them. */
export const refusedKeyScenarios: readonly Scenario[] = [
  {
    title: "invariant 13: keys that the store would rewrite, hide or refuse are FAILED by name, and nothing is written for them",
    run: refused,
  },
];

/** For destinations that can. */
export const keptKeyScenarios: readonly Scenario[] = [
  { title: "invariants 1 and 13: keys that other stores refuse arrive where they can be kept", run: kept },
];
