import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../domain/error.ts";
import { MemoryBucketConfiguration } from "../testing/memory-bucket-configuration.ts";
import { type CopyBucket, type CopyBucketsPlan, planCopyBuckets } from "./plan-copy-buckets.ts";

function wish(configuration: MemoryBucketConfiguration, bucket: string, options: Partial<CopyBucket> = {}): CopyBucket {
  return {
    bucket: { id: `s3://h/${bucket}`, name: `a:${bucket}`, store: "a", bucket },
    region: "us-east-1",
    isRegional: false,
    configuration,
    mayCreate: false,
    mayVersion: false,
    needsVersions: false,
    keepsLocksOf: [],
    ...options,
  };
}

async function makeAll({ steps }: CopyBucketsPlan): Promise<void> {
  for (const step of steps) await step.make();
}

const changesOf = ({ steps }: CopyBucketsPlan) =>
  steps.flatMap(({ changes }) => changes.map(({ action, type, id }) => `${action} ${type} ${id}`));
const codesOf = ({ problems }: CopyBucketsPlan) => problems.map(({ code, subject }) => `${code} ${subject}`);

describe("buckets of copy rules", () => {
  it("are made where they are missing and may be, and are problems by name where they may not", async () => {
    const configuration = new MemoryBucketConfiguration();
    configuration.addBucket("src");
    const wishes = [wish(configuration, "src"), wish(configuration, "dst", { mayCreate: true }), wish(configuration, "gone")];
    const plan = await planCopyBuckets(wishes);
    assert.deepEqual([changesOf(plan), codesOf(plan), configuration.mutations], [["create bucket a:dst"], ["BucketMissing a:gone"], []]);
    await makeAll(plan);
    await makeAll(plan);
    assert.deepEqual(configuration.mutations, ["CreateBucket dst"], "made again, a step changes nothing");
    assert.deepEqual(changesOf(await planCopyBuckets(wishes)), []);
  });

  it("keep versions where that is asked for, or where they are made for rules that need them", async () => {
    const configuration = new MemoryBucketConfiguration();
    for (const name of ["on", "off", "suspended", "needed"]) configuration.addBucket(name);
    configuration.addBucket("on", { versioning: "Enabled" });
    configuration.addBucket("suspended", { versioning: "Suspended" });
    const plan = await planCopyBuckets([
      ...["on", "off", "suspended"].map((name) => wish(configuration, name, { mayVersion: true })),
      wish(configuration, "needed", { mayCreate: true, needsVersions: true }),
      wish(configuration, "new", { mayCreate: true, needsVersions: true }),
    ]);
    const expected = ["create bucket a:new", "update versioning a:new", "update versioning a:off", "update versioning a:suspended"];
    assert.deepEqual(changesOf(plan), expected, "what is there already is changed only where versioning: enable says so");
    await makeAll(plan);
    assert.deepEqual(
      [...configuration.buckets]
        .filter(([, { versioning }]) => versioning === "Enabled")
        .map(([name]) => name)
        .sort(),
      ["new", "off", "on", "suspended"],
    );
  });

  it("are made with object lock where a source has it", async () => {
    const configuration = new MemoryBucketConfiguration();
    configuration.addBucket("plain");
    configuration.addBucket("locked", { objectLock: true });
    const made = (name: string, sources: readonly string[]) =>
      wish(configuration, name, { mayCreate: true, keepsLocksOf: sources.map((source) => `s3://h/${source}`) });
    await makeAll(
      await planCopyBuckets([
        wish(configuration, "plain"),
        wish(configuration, "locked"),
        made("one", ["plain"]),
        made("two", ["plain", "locked"]),
        made("three", ["one"]),
      ]),
    );
    assert.deepEqual(
      ["one", "two", "three"].map((name) => configuration.buckets.get(name)?.objectLock),
      [false, true, false],
    );
  });

  it("that cannot be what is asked are told before anything is changed", async () => {
    const configuration = new MemoryBucketConfiguration();
    configuration.addBucket("flat", { versioning: "Unsupported" });
    configuration.addBucket("far", { region: "eu-west-1" });
    configuration.refuse = (call) => (/ (?:closed|aside)$/.test(call) ? new ReplicationError("AccessDenied", "no") : undefined);
    const plan = await planCopyBuckets([
      wish(configuration, "flat", { mayVersion: true }),
      wish(configuration, "far", { isRegional: true, mayVersion: true }),
      wish(configuration, "closed", { mayCreate: true }),
      wish(configuration, "aside"),
    ]);
    assert.deepEqual(codesOf(plan), ["VersioningOff a:flat", "WrongRegion a:far", "BucketForbidden a:closed"]);
    assert.deepEqual(changesOf(plan), []);
  });
});
