import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACCOUNT, applyTo, nativeBucket, pairOf, planOf, settleTo, wishOf } from "../../../test/support/native-plane.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";

const WISH = wishOf([pairOf(nativeBucket("a"), nativeBucket("b"))]);
const SSO_ROLE = {
  name: "AWSReservedSSO_Admin_0123456789abcdef",
  path: "/aws-reserved/sso.amazonaws.com/eu-west-1/",
};

function world(): MemoryAws {
  const aws = new MemoryAws();
  aws.addBucket("a");
  aws.addBucket("b");
  return aws;
}

describe("what the operator may do", () => {
  it("is asked of the role behind a session by its whole ARN, with its path, as those of IAM Identity Center have one", async () => {
    const aws = world();
    const { arn } = aws.addRole(ACCOUNT, SSO_ROLE);
    aws.callerArn = (account) => `arn:aws:sts::${account}:assumed-role/${SSO_ROLE.name}/jane`;
    // As IAM has it: of a principal that it does not know it allows nothing.
    aws.simulated = (principal) => (principal === arn || principal.includes("role/replicast/") ? "allowed" : "denied");
    await settleTo(aws, WISH);
  });

  for (const [who, arn] of [
    ["a session of a role that is not there", `arn:aws:sts::${ACCOUNT}:assumed-role/gone/jane`],
    ["a federated user", `arn:aws:sts::${ACCOUNT}:federated-user/jane`],
    ["the account's root", `arn:aws:iam::${ACCOUNT}:root`],
  ] as const)
    it(`is not asked of ${who}, whom IAM does not simulate`, async () => {
      const aws = world();
      aws.callerArn = () => arn;
      aws.simulated = (principal) => (principal.includes("role/replicast/") ? "allowed" : "denied");
      assert.deepEqual((await planOf(aws, WISH)).problems, []);
    });

  it("tells before that a role may not be handed to S3, also one of one's own and with a boundary", async () => {
    const own = `arn:aws:iam::${ACCOUNT}:role/own`;
    for (const owner of [{}, { roleArn: own }, { permissionsBoundary: "arn:aws:iam::aws:policy/b" }]) {
      const aws = world();
      aws.addRole(ACCOUNT, { name: "own" });
      aws.simulated = (_, action) => (action === "iam:PassRole" ? "denied" : "allowed");
      const { plan } = await applyTo(aws, { ...WISH, owner: { ...WISH.owner, ...owner } });
      assert.deepEqual(
        plan.problems.map(({ code, subject }) => `${code} ${subject}`),
        ["NotPermitted aws:a"],
      );
      assert.match(plan.problems[0]?.message ?? "", /may not do iam:PassRole/);
      assert.deepEqual(aws.mutations, []);
    }
  });
});
