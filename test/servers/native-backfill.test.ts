import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { openSqliteState } from "../../src/adapters/state/sqlite/open.ts";
import { loadConfig } from "../../src/config/load.ts";
import { readByModel } from "../support/aws-model.ts";
import { startBoto } from "../support/boto.ts";
import { type Interceptor, interceptorBefore } from "../support/intercept.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { type MotoServer, motoAccountId, startMoto } from "../support/moto.ts";
import { type RecordedRequest, startRecorder } from "../support/recorder.ts";
import { askJson, expectExit, startCommand, type Workplace } from "../support/replicast.ts";
import { breakGround } from "../support/world.ts";

interface Told {
  readonly changes: readonly { readonly action: string; readonly type: string; readonly detail: Readonly<Record<string, unknown>> }[];
  readonly problems: readonly { readonly code: string }[];
  readonly notes: readonly string[];
  readonly existingObjects: readonly {
    readonly objects: number;
    readonly bytes: number;
    readonly cost: number;
    readonly isWhole: boolean;
    readonly way: string | null;
    readonly why: string;
  }[];
  readonly backfill?: readonly {
    readonly rule: string;
    readonly destination: string;
    readonly isComplete: boolean;
    readonly compared: number;
    readonly copied: number;
    readonly bytesCopied: number;
    readonly failed: number;
    readonly left: Readonly<Record<string, number>>;
  }[];
}

/** As AWS's model reads a request. */
interface CreateJob {
  readonly ClientRequestToken: string;
  readonly Description: string;
  readonly RoleArn: string;
  readonly Report: { readonly Bucket: string; readonly Prefix: string };
  readonly ManifestGenerator: { readonly S3JobManifestGenerator: { readonly Filter: Readonly<Record<string, unknown>> } };
}

interface BackfillWorld extends Workplace, AsyncDisposable {
  readonly s3: s3.S3Client;
  readonly moto: MotoServer;
  configure(existingObjects: unknown): Promise<void>;
  /** What the destination holds, each version: key and body's ETag; delete markers have none. */
  replicas(): Promise<readonly string[]>;
  /** Names of all roles. */
  roles(): Promise<readonly (string | undefined)[]>;
}

/** Two buckets, the source with three objects, on moto; S3 Control is elsewhere, or nowhere. With `before`, something stands in front of moto. */
async function openWorld(control?: string, before?: (moto: MotoServer) => Promise<Interceptor>): Promise<BackfillWorld> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const moto = stack.use(await startMoto());
  const client = new s3.S3Client({ endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials, forcePathStyle: true });
  stack.defer(() => client.destroy());
  const identity = new iam.IAMClient({ endpoint: moto.endpoint, region: "us-east-1", credentials: moto.credentials });
  stack.defer(() => identity.destroy());
  await client.send(new s3.CreateBucketCommand({ Bucket: "photos" }));
  const place = { CreateBucketConfiguration: { LocationConstraint: "eu-west-1" as const } };
  await client.send(new s3.CreateBucketCommand({ Bucket: "photos-eu", ...place }));
  for (const Key of ["raw/1", "raw/2", "other"]) await client.send(new s3.PutObjectCommand({ Bucket: "photos", Key, Body: "1234567890" }));
  const front = before === undefined ? moto : stack.use(await before(moto));
  const env = {
    AWS_ENDPOINT_URL: front.endpoint,
    AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
    AWS_REGION: "us-east-1",
    ...(control === undefined ? {} : { AWS_ENDPOINT_URL_S3_CONTROL: control }),
  };
  const configure = async (existingObjects: unknown) => {
    const rule = { id: "photos", engine: "native", versioning: "enable", source: { bucket: "photos", prefix: "raw/" }, existingObjects };
    const config = { name: "acme", iam: { propagation: "10ms" }, rules: [{ ...rule, destinations: ["photos-eu@eu-west-1"] }] };
    await writeFile(join(ground.directory, "replicast.yaml"), JSON.stringify(config));
  };
  const roles = async () => ((await identity.send(new iam.ListRolesCommand({}))).Roles ?? []).map(({ RoleName }) => RoleName);
  const replicas = async () => {
    const { Versions = [], DeleteMarkers = [] } = await client.send(
      new s3.ListObjectVersionsCommand({ Bucket: "photos-eu", Prefix: "raw/" }),
    );
    return [...Versions.map(({ Key, ETag }) => `${Key} ${ETag?.replaceAll('"', "")}`), ...DeleteMarkers.map(({ Key }) => `${Key}`)].sort();
  };
  const kept = stack.move();
  return { ...ground, env, moto, s3: client, configure, replicas, roles, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** S3 Control that has one job once it was asked for one. */
function startControl() {
  let description = "";
  return startRecorder(({ method, body }: RecordedRequest) => {
    if (method === "POST") {
      description = /<Description>(.*?)<\/Description>/.exec(body)?.[1] ?? "";
      return { body: "<CreateJobResult><JobId>job-1</JobId></CreateJobResult>" };
    }
    const job = `<member><JobId>job-1</JobId><Description>${description}</Description><Status>Active</Status></member>`;
    return { body: `<ListJobsResult><Jobs>${description === "" ? "" : job}</Jobs></ListJobsResult>` };
  });
}

describe("existing objects of native rules", () => {
  guardAgainstLeaks();

  test("are counted by plan, and replicated by one job that only apply --backfill starts", async () => {
    await using control = await startControl();
    await using world = await openWorld(control.endpoint);
    await world.configure(true);
    const planned = await askJson<Told>(world, "plan");
    assert.deepEqual(
      planned.existingObjects.map(({ objects, bytes, isWhole }) => ({ objects, bytes, isWhole })),
      [{ objects: 2, bytes: 20, isWhole: true }],
    );
    assert.match(planned.notes.join(), /2 existing objects \(20 B, about \$0\.25\) .* has S3 replicate them by a batch job/);
    assert.deepEqual(
      planned.existingObjects.map(({ way }) => way),
      ["job"],
    );
    await expectExit(0, world, ["apply"]);
    assert.deepEqual(
      control.requests.filter(({ method }) => method !== "GET"),
      [],
    );

    const applied = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual(
      applied.changes.map(({ action, type }) => `${action} ${type}`),
      ["create role", "create policy", "create backfill"],
    );
    const jobs = control.requests.filter(({ method }) => method === "POST");
    const [read, ...more] = await readByModel("s3control", jobs);
    assert.deepEqual(more, []);
    assert.equal(read?.error, undefined);
    assert.ok(read);
    const { ClientRequestToken, Description, RoleArn, ManifestGenerator, Report } = read.input as CreateJob;
    assert.match(Description, /^replicast acme\/photos existing /);
    assert.match(ClientRequestToken, /^[0-9a-f]{64}$/);
    assert.match(RoleArn, new RegExp(`^arn:aws:iam::${motoAccountId}:role/replicast/acme/acme-batch-photos-`));
    const { Filter, ...generator } = ManifestGenerator.S3JobManifestGenerator;
    const source = { ExpectedBucketOwner: motoAccountId, SourceBucket: "arn:aws:s3:::photos", EnableManifestOutput: false };
    assert.deepEqual(generator, source);
    assert.deepEqual(Filter, {
      EligibleForReplication: true,
      ObjectReplicationStatuses: ["NONE", "FAILED"],
      CreatedBefore: Filter["CreatedBefore"],
      KeyNameConstraint: { MatchAnyPrefix: ["raw/"] },
    });
    assert.ok(Date.parse(String(Filter["CreatedBefore"])) <= Date.now());
    assert.deepEqual([Report.Bucket, Report.Prefix], ["arn:aws:s3:::photos", ".replicast/batch"]);

    const again = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual(again.changes, []);
    assert.match(again.notes.join(), /are being replicated by job job-1/);
    assert.equal(control.requests.filter(({ method }) => method === "POST").length, 1);

    await expectExit(0, world, ["destroy", "--yes"]);
    assert.deepEqual(await world.roles(), [], "the job's role goes with the rules");
  });

  test("above maxObjects nothing at all is changed", async () => {
    await using control = await startControl();
    await using world = await openWorld(control.endpoint);
    await world.configure({ maxObjects: 1 });
    const { stdout } = await expectExit(1, world, ["apply", "--backfill", "--json"]);
    const told = JSON.parse(stdout) as Told;
    assert.deepEqual([told.changes, told.problems.map(({ code }) => code)], [[], ["CostAboveLimit"]]);
    assert.equal(control.requests.filter(({ method }) => method === "POST").length, 0);
  });

  test("where there is no S3 Control, apply --backfill copies them itself, once, and plan says so and changes nothing", async () => {
    await using world = await openWorld();
    await using boto = await startBoto(world.moto);
    await world.configure(true);
    await boto.put("photos", "raw/rich", { body: Buffer.from("rich"), metadata: { author: "me" }, tags: { dr: "yes" } });
    const planned = await askJson<Told>(world, "plan", "--backfill");
    assert.deepEqual(
      planned.existingObjects.map(({ way }) => way),
      ["copy"],
    );
    assert.match(planned.existingObjects[0]?.why ?? "", /^S3's batch jobs cannot be used: .*S3 Batch Operations/);
    assert.match(
      planned.notes.join("\n"),
      /3 existing objects .*: apply --backfill copies them itself, because S3's batch jobs cannot be used/,
    );
    assert.deepEqual([planned.backfill, await boto.list("photos-eu"), await world.roles()], [undefined, [], []]);

    const applied = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual(
      applied.changes.filter(({ type }) => type === "backfill"),
      [],
    );
    const [told, ...more] = applied.backfill ?? [];
    assert.deepEqual(more, []);
    const left = { carried: 0, replica: 0, encrypted: 0, kept: 0 };
    assert.deepEqual(
      [told?.rule, told?.isComplete, told?.compared, told?.copied, told?.bytesCopied, told?.failed, told?.left],
      ["photos", true, 3, 3, 24, 0, left],
    );
    assert.deepEqual(
      (await boto.list("photos-eu")).map(({ key }) => key),
      ["raw/1", "raw/2", "raw/rich"],
    );
    const rich = await boto.get("photos-eu", "raw/rich");
    assert.deepEqual(
      [rich?.body.toString(), rich?.metadata, await boto.tags("photos-eu", "raw/rich")],
      ["rich", { author: "me" }, { dr: "yes" }],
    );

    const before = await world.replicas();
    const again = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual([again.changes, again.backfill?.map(({ copied }) => copied)], [[], [0]]);
    assert.deepEqual(await world.replicas(), before);
    const { stdout } = await expectExit(0, world, ["apply", "--backfill"]);
    assert.match(stdout, /^photos {2}.*photos-eu: 3 compared, 3 equal, 0 copied \(0 B\), 0 failed$/m);
    assert.deepEqual((await askJson<Told>(world, "apply")).backfill, undefined, "only where it is asked for");
  });

  test("copies replace nothing that the destination's clients wrote, and delete markers are not backfilled", async () => {
    await using world = await openWorld();
    await using boto = await startBoto(world.moto);
    await world.configure(true);
    await boto.put("photos-eu", "raw/1", { body: Buffer.from("theirs") });
    await expectExit(0, world, ["apply"]);
    await boto.delete("photos", "raw/2");
    const { backfill } = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual([backfill?.[0]?.copied, backfill?.[0]?.left["kept"]], [0, 1]);
    assert.equal((await boto.get("photos-eu", "raw/1"))?.body.toString(), "theirs");
    assert.equal((await world.replicas()).length, 1);
  });

  test("where S3 lets jobs be looked at and not started, the same command copies", async () => {
    await using control = await startRecorder(({ method }: RecordedRequest) =>
      method === "POST"
        ? { status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" }
        : { body: "<ListJobsResult><Jobs></Jobs></ListJobsResult>" },
    );
    await using world = await openWorld(control.endpoint);
    await world.configure(true);
    const applied = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual(
      applied.existingObjects.map(({ way }) => way),
      ["copy"],
    );
    assert.match(applied.existingObjects[0]?.why ?? "", /AccessDenied|Access Denied|CreateJob/);
    assert.deepEqual([applied.backfill?.[0]?.copied, (await world.replicas()).length], [2, 2]);
  });

  test("an object that cannot be copied ends the command with 1, is listed, and the same command once more does it", async () => {
    let front: Interceptor | undefined;
    await using world = await openWorld(undefined, async (moto) => (front = await interceptorBefore(moto.endpoint)));
    assert.ok(front);
    await world.configure(true);
    front.intercept = ({ method, url = "" }) => (method === "PUT" && url.startsWith("/photos-eu/raw/2") ? DENIED : undefined);
    const { stdout, stderr } = await expectExit(1, world, ["apply", "--backfill", "--json"]);
    const { backfill, changes } = JSON.parse(stdout) as Told;
    assert.deepEqual([backfill?.[0]?.copied, backfill?.[0]?.failed], [1, 1]);
    assert.notDeepEqual(changes, [], "the rules stand all the same");
    assert.match(stderr, /warning: .*photos-eu/);
    assert.match((await expectExit(0, world, ["failures", "list"])).stdout, /raw\/2/);

    front.intercept = () => undefined;
    const mended = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual([mended.backfill?.[0]?.copied, (await world.replicas()).length], [1, 2]);
    assert.doesNotMatch((await expectExit(0, world, ["failures", "list"])).stdout, /raw\/2/);
  });

  test("Ctrl-C ends it with 130, and the same command copies the rest, each object once", async () => {
    let front: Interceptor | undefined;
    await using world = await openWorld(undefined, async (moto) => (front = await interceptorBefore(moto.endpoint)));
    assert.ok(front);
    await world.configure(true);
    const command = startCommand(world, "apply", "--backfill");
    // The first is copied; of the others none until the command has ended.
    let copies = 0;
    front.intercept = ({ method, url = "" }) => {
      if (method !== "PUT" || !url.startsWith("/photos-eu/raw/") || ++copies === 1) return undefined;
      // A second signal would end it at once.
      if (copies === 2) command.signal("SIGINT");
      return SLOW;
    };
    const { code, stderr } = await command.finished;
    assert.equal(code, 130, stderr);
    assert.equal((await world.replicas()).length, 1);

    front.intercept = () => undefined;
    const { backfill } = await askJson<Told>(world, "apply", "--backfill");
    assert.deepEqual([backfill?.[0]?.copied, backfill?.[0]?.isComplete, (await world.replicas()).length], [1, true, 2]);
  });

  test("while a daemon has the state nothing at all is changed, and it is told what to do", async () => {
    await using world = await openWorld();
    await world.configure(true);
    const { state } = loadConfig({ configPath: undefined, env: world.env, cwd: world.directory });
    await mkdir(dirname(state.path), { recursive: true });
    const daemon = await openSqliteState({ path: state.path, mode: "daemon" });
    try {
      const { stderr } = await expectExit(1, world, ["apply", "--backfill"]);
      assert.match(stderr, /^error: .*in use.*\ntry: stop it, do the same again/m);
      assert.deepEqual([await world.replicas(), await world.roles()], [[], []]);
    } finally {
      await daemon.close();
    }
    assert.equal((await askJson<Told>(world, "apply", "--backfill")).backfill?.[0]?.copied, 2);
  });
});

const DENIED = { status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" };
const SLOW = { status: 503, body: "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>" };
