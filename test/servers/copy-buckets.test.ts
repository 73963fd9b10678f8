import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CreateBucketCommand, GetBucketVersioningCommand, GetObjectLockConfigurationCommand, ListBucketsCommand } from "@aws-sdk/client-s3";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMinio } from "../support/minio.ts";
import { startMoto } from "../support/moto.ts";
import { openWorld, toWorldStore } from "../support/real-world.ts";
import { askJson, expectExit } from "../support/replicast.ts";
import { connect } from "../support/sdk.ts";
import type { RealServer } from "../support/server.ts";
import { startVersitygw } from "../support/versitygw.ts";
import { configure, defaultConfig, type World } from "../support/world.ts";

interface Plan {
  readonly changes: readonly { readonly action: string; readonly type: string; readonly id: string }[];
  readonly problems: readonly { readonly code: string; readonly subject: string; readonly message: string }[];
}

const STORES: Readonly<Record<string, () => Promise<RealServer>>> = {
  MinIO: startMinio,
  versitygw: startVersitygw,
  moto: startMoto,
};

function open(start: () => Promise<RealServer>): Promise<World> {
  return openWorld(async ({ stack }) => {
    const store = await toWorldStore(stack.use(await start()), stack);
    return { a: store, b: store, events: { type: "none" }, wire: async () => {} };
  });
}

async function changes(world: World, command: string): Promise<readonly string[]> {
  const { changes: made } = await askJson<Plan>(world, command);
  return made.map(({ action, type, id }) => `${action} ${type} ${id}`);
}

async function buckets({ a }: World): Promise<readonly (string | undefined)[]> {
  using client = connect(a);
  const { Buckets = [] } = await client.s3.send(new ListBucketsCommand({}));
  return Buckets.map(({ Name }) => Name).sort();
}

async function versioning({ a }: World, Bucket: string): Promise<string | undefined> {
  using client = connect(a);
  return (await client.s3.send(new GetBucketVersioningCommand({ Bucket }))).Status;
}

describe("buckets of copy rules", () => {
  guardAgainstLeaks();

  for (const [name, start] of Object.entries(STORES)) {
    test(`${name}: apply makes missing destinations, turns versioning on, copies into them, and destroy leaves them`, async () => {
      await using world = await open(start);
      await world.a.client.createBucket("photos");
      await world.a.client.createBucket("plain");
      await world.a.client.put("photos", "x", { body: "x" });
      const destinations = [
        { bucket: "b:made", createBuckets: true },
        { bucket: "b:versioned", createBuckets: true, versioning: "enable" },
        { bucket: "b:plain", versioning: "enable" },
      ];
      await configure(world, { rules: [{ id: "photos", source: "a:photos", destinations }] });
      const planned = ["create bucket b:made", "create bucket b:versioned", "update versioning b:versioned", "update versioning b:plain"];
      assert.deepEqual(await changes(world, "plan"), planned);
      assert.deepEqual(await buckets(world), ["photos", "plain"], "a plan changes nothing");
      assert.deepEqual(await changes(world, "apply"), planned);
      assert.deepEqual(await changes(world, "apply"), []);
      await expectExit(0, world, ["plan", "--exit-code"]);
      const kept = ["made", "versioned", "plain", "photos"].map((bucket) => versioning(world, bucket));
      assert.deepEqual(await Promise.all(kept), [undefined, "Enabled", "Enabled", undefined]);
      await expectExit(0, world, ["run", "--until-idle"]);
      for (const bucket of ["made", "versioned", "plain"])
        assert.deepEqual(
          (await world.b.client.list(bucket)).map(({ key }) => key),
          ["x"],
        );
      assert.deepEqual(await changes(world, "destroy"), []);
      assert.deepEqual(await buckets(world), ["made", "photos", "plain", "versioned"]);
    });
  }

  test("a mesh is set up from nothing by one apply: its buckets, its queues, its notifications", async () => {
    await using world = await open(startMoto);
    const rules = [{ id: "team", mesh: ["a:one", "b:two"], createBuckets: true }];
    await configure(world, { stores: storesWithQueues(world), rules });
    const types = (await changes(world, "apply")).map((change) => change.split(" ").slice(0, 2).join(" "));
    assert.deepEqual(types, [
      ...["create bucket", "create bucket"],
      ...["create queue", "create policy", "create queue", "create policy"],
      ...["create notification", "create notification"],
    ]);
    assert.deepEqual(await changes(world, "apply"), []);
  });

  test("a missing bucket is named where apply may not make it, and nothing is changed", async () => {
    await using world = await open(startMinio);
    await world.a.client.createBucket("photos");
    const rules = [{ id: "photos", source: "a:photos", destinations: ["b:gone", { bucket: "b:made", createBuckets: true }] }];
    await configure(world, { rules });
    const { stdout } = await expectExit(1, world, ["apply", "--json"]);
    const { problems } = JSON.parse(stdout) as Plan;
    assert.deepEqual(
      problems.map(({ code, subject }) => `${code} ${subject}`),
      ["BucketMissing b:gone"],
    );
    assert.deepEqual(await buckets(world), ["photos"]);
    await expectExit(0, world, ["apply", "--allow-missing"]);
    await configure(world, { rules: [{ id: "photos", source: "a:photos", destinations: ["b:gone"] }] });
    assert.deepEqual(await changes(world, "plan"), [], "a rule that lets nothing be set up is not looked at");
  });

  test("a destination of a bucket with object lock is made with object lock", async () => {
    await using world = await open(startMinio);
    using client = connect(world.a);
    await client.s3.send(new CreateBucketCommand({ Bucket: "locked", ObjectLockEnabledForBucket: true }));
    await configure(world, { rules: [{ id: "locked", source: "a:locked", destinations: ["b:copy"], createBuckets: true }] });
    await changes(world, "apply");
    const { ObjectLockConfiguration } = await client.s3.send(new GetObjectLockConfigurationCommand({ Bucket: "copy" }));
    assert.equal(ObjectLockConfiguration?.ObjectLockEnabled, "Enabled");
  });

  test("a store that keeps no versions says so, and what to do", async () => {
    await using world = await open(() => startVersitygw({ versioning: false }));
    for (const bucket of ["photos", "plain"]) await world.a.client.createBucket(bucket);
    const rules = [{ id: "photos", source: "a:photos", destinations: [{ bucket: "b:plain", versioning: "enable" }] }];
    await configure(world, { rules });
    const { stderr } = await expectExit(1, world, ["apply"]);
    assert.match(stderr, /PutBucketVersioning on plain[\s\S]*leave versioning: enable out/);
  });
});

/** The world's stores, each source with a queue of its own. */
function storesWithQueues(world: World): Readonly<Record<string, object>> {
  const stores = Object.entries(defaultConfig(world)["stores"] as Readonly<Record<string, object>>);
  return Object.fromEntries(stores.map(([alias, store]) => [alias, { ...store, events: { type: "sqs" } }]));
}
