import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { batchRoleNameOf, ROLE_POLICY, SOURCE_TAG } from "../names.ts";
import type { NativeBucket, Owner } from "../native-pair.ts";
import { ensureBatchRole } from "./batch-role.ts";

const ACCOUNT = "111111111111";
const SOURCE: NativeBucket = {
  id: "s3://aws/eu-west-1/photos",
  name: "a:photos",
  bucket: "photos",
  region: "eu-west-1",
  partition: "aws",
  account: ACCOUNT,
};
const OWNER: Owner = { name: "acme", path: "/replicast/acme/", tags: {} };

function ensure(aws: MemoryAws, owner: Owner = OWNER): Promise<string> {
  return ensureBatchRole({ owner, source: SOURCE, identity: aws.identity(ACCOUNT), clock: new LeapingClock(), propagationMs: 10 });
}

describe("ensureBatchRole", () => {
  it("makes a role that S3's batch jobs alone can assume, and that can be found again", async () => {
    const aws = new MemoryAws();
    const arn = await ensure(aws);
    const role = await aws.identity(ACCOUNT).role(batchRoleNameOf(OWNER, SOURCE));
    assert.equal(arn, role?.arn);
    assert.deepEqual(role?.trust.Statement[0]?.Principal, { Service: "batchoperations.s3.amazonaws.com" });
    assert.deepEqual([role?.path, role?.tags[SOURCE_TAG]], [OWNER.path, SOURCE.id]);
    assert.deepEqual(Object.keys(role?.policies ?? {}), [ROLE_POLICY]);
  });

  it("changes nothing where it is so already", async () => {
    const aws = new MemoryAws();
    const arn = await ensure(aws);
    aws.mutations.length = 0;
    assert.equal(await ensure(aws), arn);
    assert.deepEqual(aws.mutations, []);
  });

  it("puts right what was changed", async () => {
    const aws = new MemoryAws();
    const arn = await ensure(aws);
    const name = batchRoleNameOf(OWNER, SOURCE);
    await aws.identity(ACCOUNT).putRolePolicy(name, ROLE_POLICY, { Version: "2012-10-17", Statement: [] });
    const before = await aws.identity(ACCOUNT).role(name);
    assert.equal(await ensure(aws), arn);
    assert.notDeepEqual((await aws.identity(ACCOUNT).role(name))?.policies, before?.policies);
  });

  it("leaves a role of one's own alone", async () => {
    const aws = new MemoryAws();
    const roleArn = "arn:aws:iam::111111111111:role/mine";
    assert.equal(await ensure(aws, { ...OWNER, roleArn }), roleArn);
    assert.deepEqual(aws.mutations, []);
  });
});
