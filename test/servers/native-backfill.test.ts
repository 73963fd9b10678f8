import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { readByModel } from "../support/aws-model.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { motoAccountId, startMoto } from "../support/moto.ts";
import { type RecordedRequest, startRecorder } from "../support/recorder.ts";
import { askJson, expectExit, type Workplace } from "../support/replicast.ts";
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
  configure(existingObjects: unknown): Promise<void>;
  /** Names of all roles. */
  roles(): Promise<readonly (string | undefined)[]>;
}

/** Two buckets, the source with three objects, on moto; S3 Control is elsewhere, or nowhere. */
async function openWorld(control?: string): Promise<BackfillWorld> {
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
  const env = {
    AWS_ENDPOINT_URL: moto.endpoint,
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
  const kept = stack.move();
  return { ...ground, env, s3: client, configure, roles, [Symbol.asyncDispose]: () => kept.disposeAsync() };
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
    assert.match(planned.notes.join(), /2 existing objects \(20 B, about \$0\.25\)/);
    await expectExit(0, world, ["apply"]);
    assert.deepEqual(control.requests, []);

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

  test("where there is no S3 Control, sync copies into a leaf as the note says", async () => {
    await using world = await openWorld();
    await world.configure(true);
    const { notes, changes } = await askJson<Told>(world, "apply", "--backfill");
    assert.equal(
      changes.some(({ type }) => type === "backfill"),
      false,
    );
    const command = notes.map((note) => /by: replicast (.+)$/.exec(note)?.[1]).find((found) => found !== undefined);
    assert.ok(command !== undefined, notes.join("\n"));
    await expectExit(0, world, command.split(" "));
    const { Contents = [] } = await world.s3.send(new s3.ListObjectsV2Command({ Bucket: "photos-eu" }));
    assert.deepEqual(Contents.map(({ Key }) => Key).sort(), ["raw/1", "raw/2"]);
  });
});
