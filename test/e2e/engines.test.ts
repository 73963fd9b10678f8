import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ListDocument, ObjectListItem, StatusDocument } from "../../src/control-plane/contract.ts";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { askJson, assertRefused, expectExit, replicast, startDaemon } from "../support/replicast.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Config, defaultConfig, settle, type World } from "../support/world.ts";

/** Store `a` is AWS, whose endpoint the environment moves. */
function onAws(opened: World): { readonly world: World; readonly stores: Config } {
  const world = { ...opened, env: { ...opened.env, AWS_ENDPOINT_URL: opened.a.endpoint } };
  const { stores } = defaultConfig(world) as { readonly stores: { readonly a: { readonly endpoint: string }; readonly b: object } };
  const { endpoint: _, ...a } = stores.a;
  return { world, stores: { ...stores, a: { ...a, forcePathStyle: true } } };
}

async function engines(world: World): Promise<readonly string[]> {
  const { rules } = await askJson<StatusDocument>(world, "status");
  return rules.map(({ id, engine }) => `${id}: ${engine}`);
}

describe("who serves a rule", () => {
  guardAgainstLeaks();

  test("what is left to S3 is watched and never copied by events, beside a rule that is copied", async () => {
    await using opened = await openEmbeddedWorld();
    const { world, stores } = onAws(opened);
    const native = { id: "native", source: "a:photos", destinations: ["a:near"], engine: "native" };
    await settle(world, { stores, rules: [native, { id: "copy", source: "a:photos", destinations: ["b:far"] }] });
    await world.a.client.put("photos", "before", { body: "x" });
    await using daemon = await startDaemon(world, world.port);
    await world.a.client.put("photos", "after", { body: "y" });
    for (const key of ["before", "after"])
      await waitFor(`${key} in far`, async () => (await world.b.client.head("far", key)) !== undefined);
    const list = async () => (await askJson<ListDocument<ObjectListItem>>(world, "objects", "list")).items;
    const row = async (rule: string, key: string) => (await list()).find((item) => item.rule === rule && item.key === key);
    await waitFor("the rows of what is copied", async () => (await row("copy", "after"))?.status === "COMPLETED");
    // S3 has told nothing of what is still young.
    await waitFor("the row of what is watched", async () => (await row("native", "before"))?.status === "PENDING");
    assert.deepEqual(new Set((await list()).map(({ rule, engine }) => `${rule}: ${engine}`)), new Set(["native: native", "copy: copy"]));
    assert.deepEqual(await engines(world), ["native: native", "copy: copy"]);
    await daemon.stop();
    assert.deepEqual(await world.a.client.list("near"), []);
    assertRefused(await replicast(world, "sync", "native"), 2, /rule native is replicated by S3 itself/);
    await expectExit(0, world, ["sync"]);
    assert.deepEqual(await world.a.client.list("near"), []);
  });

  test("an auto rule that nobody decided is copied, and stays so", async () => {
    await using opened = await openEmbeddedWorld();
    const { world, stores } = onAws(opened);
    await settle(world, { stores, rules: [{ id: "photos", source: "a:photos", destinations: ["a:near"] }] });
    await world.a.client.put("photos", "k", { body: "x" });
    const before = await expectExit(0, world, ["validate"]);
    assert.match(before.stdout, /engine copy \(auto: native at apply where both buckets are versioned; copy until then\)/);
    const { stderr, stdout } = await expectExit(0, world, ["run", "--until-idle"]);
    assert.match(stderr + stdout, /the rule is served by copy from now on/);
    assert.notEqual(await world.a.client.head("near", "k"), undefined);
    assert.deepEqual(await engines(world), ["photos: copy"]);
    const again = await expectExit(0, world, ["run", "--until-idle"]);
    assert.doesNotMatch(again.stderr + again.stdout, /from now on/);
  });
});
