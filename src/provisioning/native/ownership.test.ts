import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACCOUNT, FOREIGN, nativeBucket, nothingOf, pairOf, ruleIds, settleTo, wishOf } from "../../../test/support/native-plane.ts";
import type { Role } from "../../ports/identity.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import { batchRoleNameOf, LOCK_PATH, PREVIOUS_ROLE_TAG, roleTagsOf } from "../names.ts";
import type { Owner } from "../native-pair.ts";
import { batchTrust } from "../policies/role-policy.ts";

const A = nativeBucket("a");
const B = nativeBucket("b", { region: "eu-west-1" });
const C = nativeBucket("c");
const ONE_WAY = wishOf([pairOf(A, B)]);
const THEIR_ROLE = `arn:aws:iam::${ACCOUNT}:role/their-role`;

function world(): MemoryAws {
  const aws = new MemoryAws();
  aws.addBucket("a", { versioning: "Enabled" });
  aws.addBucket("b", { region: "eu-west-1", versioning: "Enabled" });
  aws.addBucket("c", { versioning: "Enabled" });
  return aws;
}

function withForeignRule(rule: ReplicationRule = FOREIGN): MemoryAws {
  const aws = world();
  const a = aws.buckets.get("a");
  if (a !== undefined) a.document = { role: aws.addRole(ACCOUNT, { name: "their-role" }).arn, rules: [rule] };
  return aws;
}

function wishBy(owner: Partial<Owner>) {
  return { ...ONE_WAY, owner: { ...ONE_WAY.owner, ...owner } };
}

function roleArns(aws: MemoryAws): readonly string[] {
  return [...aws.roles.values()].map(({ arn }) => arn);
}

describe("what is ours", () => {
  it("is still found by destroy after iam.path has changed", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    await settleTo(aws, nothingOf(wishBy({ path: "/team/" })));
    assert.deepEqual(roleArns(aws), []);
  });

  it("of a source that left the config together with a change of iam.path goes too", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    await settleTo(aws, { ...wishOf([pairOf(C, B)]), owner: { ...ONE_WAY.owner, path: "/team/" } });
    assert.deepEqual(ruleIds(aws, "a"), []);
    assert.equal(roleArns(aws).length, 1);
  });

  it("a new rolePrefix makes a new role, and the old one goes; that of its batch jobs stays until destroy", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    const { owner } = ONE_WAY;
    const batch = { name: batchRoleNameOf(owner, A), path: owner.path, trust: batchTrust(), tags: roleTagsOf(owner, A) };
    const { arn } = aws.addRole(ACCOUNT, batch);
    const renamed = wishBy({ rolePrefix: "team" });
    await settleTo(aws, renamed);
    assert.deepEqual(roleArns(aws), [arn, aws.buckets.get("a")?.document?.role]);
    await settleTo(aws, nothingOf(renamed));
    assert.deepEqual(roleArns(aws), []);
  });

  for (const [what, owner] of [
    ["rolePrefix", { rolePrefix: "team" }],
    ["path", { path: "/team/" }],
  ] as const)
    for (const appliesBetween of [true, false])
      it(`others' role is put back after ${what} has changed${appliesBetween ? " and was applied" : ""}`, async () => {
        const aws = withForeignRule();
        const before = structuredClone(aws.buckets.get("a")?.document);
        await settleTo(aws, ONE_WAY);
        if (appliesBetween) {
          await settleTo(aws, wishBy(owner));
          const named = [...aws.roles.values()].find(({ arn }) => arn === aws.buckets.get("a")?.document?.role);
          assert.equal(named?.tags[PREVIOUS_ROLE_TAG], THEIR_ROLE);
        }
        await settleTo(aws, nothingOf(wishBy(owner)));
        assert.deepEqual(aws.buckets.get("a")?.document, before);
        assert.deepEqual(roleArns(aws), [THEIR_ROLE]);
      });

  it("a role of one's own takes the place of ours, which goes; it stays itself, also where we made it once", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    const made = roleArns(aws)[0] ?? "";
    const kept = wishBy({ roleArn: made });
    await settleTo(aws, kept);
    await settleTo(aws, nothingOf(kept));
    assert.deepEqual(roleArns(aws), [made]);
    await settleTo(aws, ONE_WAY);
    const { arn } = aws.addRole(ACCOUNT, { name: "own" });
    await settleTo(aws, wishBy({ roleArn: arn }));
    assert.deepEqual(roleArns(aws), [arn]);
  });

  it("is looked for also where the config's buckets on AWS are destinations alone", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    await settleTo(aws, { ...wishOf([], { leave: { isSource: false } }, [C]), buckets: [leaf()] });
    assert.deepEqual(roleArns(aws), []);
    assert.deepEqual(ruleIds(aws, "a"), []);
  });

  it("is no rule whose id only begins with the name", async () => {
    const aws = withForeignRule({ ...FOREIGN, id: "acme/backup", raw: { ID: "acme/backup" } });
    await settleTo(aws, ONE_WAY);
    assert.deepEqual(ruleIds(aws, "a"), ["acme/backup", "acme/photos/b"]);
    await settleTo(aws, nothingOf(ONE_WAY));
    assert.deepEqual(ruleIds(aws, "a"), ["acme/backup"]);
  });

  it("every role has the boundary and the tags that its operator may have to give it, a lock too", async () => {
    const aws = world();
    const made = new Map<string, Role | undefined>();
    aws.faults = {
      after: (call) => {
        const [, name = ""] = /^CreateRole (.+)$/.exec(call) ?? [];
        if (name !== "") made.set(name, aws.roles.get(`${ACCOUNT} ${name}`));
      },
    };
    const permissionsBoundary = "arn:aws:iam::aws:policy/b";
    await settleTo(aws, wishBy({ permissionsBoundary, tags: { team: "x" } }));
    assert.deepEqual(
      [...made.values()].map((role) => [role?.path, role?.permissionsBoundary, role?.tags["team"]]),
      [LOCK_PATH, "/replicast/acme/"].map((path) => [path, permissionsBoundary, "x"]),
    );
  });

  it("a role among the locks that is none is not taken for one that was left behind", async () => {
    const aws = world();
    await settleTo(aws, wishBy({ path: LOCK_PATH }));
    assert.equal(roleArns(aws).length, 1);
  });
});

function leaf() {
  return { bucket: C, mayCreate: false, mayVersion: false, isSource: false, kmsKeys: [] };
}
