import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PolicyDocument } from "../../domain/policy-document.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { ROLE_POLICY } from "../names.ts";
import { awaitPropagation } from "./propagation.ts";

const ACCOUNT = "111111111111";
const POLICY: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: ["s3:ReplicateObject"], Resource: "arn:aws:s3:::b/*" }],
};

function setUp(policies: Readonly<Record<string, PolicyDocument>> = { [ROLE_POLICY]: POLICY }) {
  const aws = new MemoryAws();
  const { arn } = aws.addRole(ACCOUNT, { name: "r", policies });
  const clock = new LeapingClock();
  const identity = aws.identity(ACCOUNT);
  return { aws, clock, wait: () => awaitPropagation({ identity, role: "r", roleArn: arn, policy: POLICY, waitMs: 15_000, clock }) };
}

describe("awaitPropagation", () => {
  it("waits first, and then for three reads that agree", async () => {
    const { clock, wait } = setUp();
    await wait();
    assert.deepEqual(clock.slept, [15_000, 1_000, 1_000]);
  });

  it("begins to count anew where a read is of the old policy", async () => {
    const { aws, clock } = setUp();
    const identity = aws.identity(ACCOUNT);
    const answers = [true, true, false, true, true, true];
    const role = async (name: string) => {
      const found = await identity.role(name);
      return answers.shift() === false && found !== undefined ? { ...found, policies: {} } : found;
    };
    await awaitPropagation({ identity: { ...identity, role }, role: "r", roleArn: "", policy: POLICY, waitMs: 15_000, clock });
    assert.equal(answers.length, 0);
  });

  it("asks IAM until it allows what the policy does", async () => {
    const { aws, clock, wait } = setUp();
    let denials = 2;
    aws.simulated = () => (denials-- > 0 ? "denied" : "allowed");
    await wait();
    assert.deepEqual(clock.slept, [15_000, 1_000, 1_000, 1_000, 1_000]);
  });

  it("takes what IAM cannot tell for allowed", async () => {
    const { aws, wait } = setUp();
    aws.simulated = () => "unknown";
    await wait();
  });

  it("gives up after two minutes, and says what is denied", async () => {
    const { aws, clock, wait } = setUp();
    aws.simulated = () => "denied";
    const begun = clock.now();
    await assert.rejects(wait(), /IAM denies s3:ReplicateObject on arn:aws:s3:::b\/\*/);
    assert.ok(clock.now() - begun < 180_000);
  });

  it("gives up where the policy never reads as it was written", async () => {
    await assert.rejects(setUp({}).wait(), /does not read as it was written/);
  });
});
