import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ACCOUNT,
  applyTo,
  FOREIGN,
  nativeBucket,
  nothingOf,
  OTHER_ACCOUNT,
  pairOf,
  planOf,
  ruleIds,
  settleTo,
  wishOf,
} from "../../../test/support/native-plane.ts";
import { isReplicationError, ReplicationError } from "../../domain/error.ts";
import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import type { Step } from "../change.ts";
import { PREVIOUS_ROLE_TAG, ROLE_POLICY, roleNameOf } from "../names.ts";
import { LEFTOVER_ROLE_TAG } from "./leftovers.ts";
import type { NativeWish } from "./wish.ts";

const A = nativeBucket("a");
const B = nativeBucket("b", { region: "eu-west-1" });
const C = nativeBucket("c");
const FAR = nativeBucket("far", { account: OTHER_ACCOUNT });
const ONE_WAY = wishOf([pairOf(A, B)]);
const TWO_WAY = wishOf([pairOf(A, B, { isTwoWay: true }), pairOf(B, A, { isTwoWay: true })]);

function world(): MemoryAws {
  const aws = new MemoryAws();
  aws.addBucket("a");
  aws.addBucket("b", { region: "eu-west-1" });
  aws.addBucket("c");
  aws.addBucket("far", { account: OTHER_ACCOUNT });
  return aws;
}

/** A bucket that others replicate already, by a role of their own. */
function withForeignRule(rule: ReplicationRule = FOREIGN, tags: Readonly<Record<string, string>> = {}): MemoryAws {
  const aws = world();
  const role = aws.addRole(ACCOUNT, { name: "their-role", tags });
  for (const name of ["a", "b", "c"]) {
    const bucket = aws.buckets.get(name);
    if (bucket !== undefined) bucket.facts = { ...bucket.facts, versioning: "Enabled" };
  }
  const a = aws.buckets.get("a");
  if (a !== undefined) a.document = { role: role.arn, rules: [rule] };
  return aws;
}

function codes(problems: readonly { readonly code: string; readonly subject: string }[]): readonly string[] {
  return problems.map(({ code, subject }) => `${code} ${subject}`).sort();
}

describe("apply", () => {
  it("sets one way up, changes nothing the second time, and destroy leaves nothing of it", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    assert.deepEqual(ruleIds(aws, "a"), ["acme/photos/b"]);
    assert.equal(aws.buckets.get("a")?.document?.role, [...aws.roles.values()][0]?.arn);
    assert.equal(aws.roles.size, 1);
    await settleTo(aws, nothingOf(ONE_WAY));
    assert.equal(aws.buckets.get("a")?.document, undefined);
    assert.equal(aws.roles.size, 0);
    assert.equal(aws.buckets.get("a")?.facts.versioning, "Enabled", "objects, buckets and their versions stay");
  });

  it("turns versioning on at both ends before it makes any rule, and waits for IAM before that", async () => {
    const aws = world();
    const { made } = await settleTo(aws, TWO_WAY);
    const types = made.map(({ type }) => type);
    assert.deepEqual(types, ["versioning", "versioning", "role", "policy", "role", "policy", "replication-rule", "replication-rule"]);
    assert.equal(aws.buckets.get("a")?.document?.rules[0]?.replicaModifications, true);
  });

  it("makes a missing destination where it may, with the source's object lock", async () => {
    const aws = world();
    aws.buckets.delete("b");
    aws.addBucket("a", { objectLock: true, versioning: "Enabled" });
    await settleTo(aws, wishOf([pairOf(A, B)], { leave: { mayCreate: true, mayVersion: false } }));
    assert.deepEqual(aws.buckets.get("b")?.facts, {
      ...aws.buckets.get("b")?.facts,
      objectLock: true,
      versioning: "Enabled",
      region: "eu-west-1",
    });
  });

  it("removes the rule of a pair that is gone, and nothing else", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, B), pairOf(A, C)]));
    const [, kept] = aws.buckets.get("a")?.document?.rules ?? [];
    const { made } = await settleTo(aws, wishOf([pairOf(A, C)]));
    assert.deepEqual(aws.buckets.get("a")?.document?.rules, [kept]);
    assert.deepEqual(
      made.map(({ action, type }) => `${action} ${type}`),
      ["delete replication-rule", "update policy"],
      "the role loses its rights after the rule that needed them",
    );
  });

  it("cleans up a source that the config names no more, found by its role", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, B), pairOf(C, B)]));
    await settleTo(aws, wishOf([pairOf(A, B)]));
    assert.equal(aws.buckets.get("c")?.document, undefined);
    assert.equal(aws.roles.size, 1);
  });

  it("leaves sources of the same name alone that it is not about", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, B), pairOf(C, B)]));
    await settleTo(aws, { ...nothingOf(wishOf([pairOf(A, B)])), isWhole: false });
    assert.equal(aws.buckets.get("a")?.document, undefined);
    assert.deepEqual(ruleIds(aws, "c"), ["acme/photos/b"]);
  });

  it("shows drift and puts it right", async () => {
    const aws = world();
    await settleTo(aws, ONE_WAY);
    const role = roleNameOf(ONE_WAY.owner, A);
    await aws.identity(ACCOUNT).putRolePolicy(role, ROLE_POLICY, { Version: "2012-10-17", Statement: [] });
    const document = aws.buckets.get("a")?.document;
    const [rule] = document?.rules ?? [];
    assert.ok(document !== undefined && rule !== undefined);
    const byHand = { ...rule, deleteMarkerReplication: true, raw: undefined };
    await aws.configuration("a", ACCOUNT, "us-east-1").putReplication({ ...document, rules: [byHand] });
    const { steps } = await planOf(aws, ONE_WAY);
    const changes = steps.flatMap((step) => step.changes).map(({ action, type }) => `${action} ${type}`);
    assert.deepEqual(changes, ["update policy", "update replication-rule"]);
    await settleTo(aws, ONE_WAY);
    assert.equal(aws.buckets.get("a")?.document?.rules[0]?.deleteMarkerReplication, false);
  });

  it("uses a role of one's own and makes none, says what it needs, and refuses where it is not there", async () => {
    const aws = world();
    const own = aws.addRole(ACCOUNT, { name: "own" });
    const wish: NativeWish = { ...ONE_WAY, owner: { ...ONE_WAY.owner, roleArn: own.arn } };
    const { plan } = await settleTo(aws, wish);
    assert.equal(aws.buckets.get("a")?.document?.role, own.arn);
    assert.match(plan.notes.join(), /s3:GetObjectVersionForReplication/);
    await settleTo(aws, nothingOf(wish));
    assert.deepEqual([...aws.roles.keys()], [`${ACCOUNT} own`]);
    aws.roles.clear();
    assert.deepEqual(codes((await planOf(aws, wish)).problems), [`RoleMissing ${own.arn}`]);
  });

  it("two sources keep their own rights under a shared prefix", async () => {
    const aws = world();
    const owner = { ...ONE_WAY.owner, rolePrefix: "shared" };
    await settleTo(aws, wishOf([pairOf(A, B), pairOf(C, B)], { owner }));
    const policies = [...aws.roles.values()].map(({ policies }) => JSON.stringify(policies));
    assert.equal(policies.length, 2);
    for (const bucket of ["a", "c"]) assert.equal(policies.filter((text) => text.includes(`"arn:aws:s3:::${bucket}/*"`)).length, 1);
  });
});

describe("what others set up", () => {
  it("a foreign rule survives byte for byte, with its rights, and gets its role back", async () => {
    const aws = withForeignRule();
    const before = structuredClone(aws.buckets.get("a")?.document);
    await settleTo(aws, ONE_WAY);
    const [theirs, ours] = aws.buckets.get("a")?.document?.rules ?? [];
    assert.deepEqual(theirs, FOREIGN);
    assert.equal(ours?.id, "acme/photos/b");
    const [, role] = [...aws.roles.values()];
    assert.match(JSON.stringify(role?.policies), /arn:aws:s3:::c\/\*/);
    assert.equal(role?.tags[PREVIOUS_ROLE_TAG], before?.role);
    await settleTo(aws, nothingOf(ONE_WAY));
    assert.deepEqual(aws.buckets.get("a")?.document, before);
    assert.deepEqual(
      [...aws.roles.values()].map(({ name }) => name),
      ["their-role"],
    );
  });

  it("beside a rule of the older schema nothing is changed, unless it is converted", async () => {
    const older = { ...FOREIGN, priority: null, raw: { Prefix: "logs/" } };
    const aws = withForeignRule(older);
    const { plan } = await applyTo(aws, ONE_WAY);
    assert.deepEqual(codes(plan.problems), ["OlderSchema aws:a"]);
    assert.deepEqual(aws.mutations, []);
    await settleTo(aws, { ...ONE_WAY, convertV1: true });
    assert.deepEqual(ruleIds(aws, "a"), ["theirs", "acme/photos/b"]);
    assert.equal(aws.buckets.get("a")?.document?.rules[0]?.deleteMarkerReplication, true);
  });

  it("--replace takes the whole document", async () => {
    const aws = withForeignRule();
    await settleTo(aws, { ...ONE_WAY, replace: true });
    assert.deepEqual(ruleIds(aws, "a"), ["acme/photos/b"]);
  });

  it("leftovers of serverless-s3-replication-plugin are replaced in one put, and their role goes", async () => {
    const leftover = { ...FOREIGN, id: "N2U4NTM4ZDktYjY0Yy00OTAwLWEx", prefix: "", deleteMarkerReplication: true };
    const aws = withForeignRule(leftover, { [LEFTOVER_ROLE_TAG]: "x" });
    await settleTo(aws, ONE_WAY);
    assert.deepEqual(ruleIds(aws, "a"), ["acme/photos/b"]);
    assert.equal(aws.mutations.filter((call) => call === "PutBucketReplication a").length, 1);
    assert.deepEqual(
      [...aws.roles.values()].map(({ name }) => name),
      [roleNameOf(ONE_WAY.owner, A)],
    );
  });

  it("rules of another replicast are refused by its name", async () => {
    const aws = withForeignRule({ ...FOREIGN, id: "other/x/y" }, { "replicast:name": "other" });
    const { plan } = await applyTo(aws, ONE_WAY);
    assert.deepEqual(codes(plan.problems), ["OtherOwner aws:a"]);
    assert.match(plan.problems[0]?.message ?? "", /other/);
  });

  it("somebody who writes the document between reading and writing loses nothing", async () => {
    const aws = world();
    let written = false;
    aws.faults = {
      after: (call) => {
        const a = aws.buckets.get("a");
        if (call !== "PutBucketReplication a" || written || a === undefined) return;
        written = true;
        // Read before ours was there, written after it.
        a.document = { role: aws.addRole(ACCOUNT, { name: "their-role" }).arn, rules: [FOREIGN] };
        const c = aws.buckets.get("c");
        if (c !== undefined) c.facts = { ...c.facts, versioning: "Enabled" };
      },
    };
    await applyTo(aws, ONE_WAY);
    assert.deepEqual(ruleIds(aws, "a"), ["theirs", "acme/photos/b"]);
    const role = aws.roles.get(`${ACCOUNT} ${roleNameOf(ONE_WAY.owner, A)}`);
    assert.match(JSON.stringify(role?.policies), /arn:aws:s3:::c\/\*/, "their rule has its rights before it has our role");
  });

  it("somebody who writes it every time is told of", async () => {
    const aws = world();
    aws.faults = {
      after: (call) => {
        const a = aws.buckets.get("a");
        if (call === "PutBucketReplication a" && a !== undefined) a.document = undefined;
      },
    };
    await assert.rejects(applyTo(aws, ONE_WAY), (error) => isReplicationError(error) && error.code === "PreconditionFailed");
    assert.equal(
      [...aws.roles.values()].some(({ path }) => path === "/replicast/lock/"),
      false,
      "the lock is given back",
    );
  });
});

describe("preflight", () => {
  it("tells everything that stands in the way at once, and nothing is changed", async () => {
    const aws = world();
    aws.buckets.delete("b");
    aws.addBucket("c", { region: "eu-west-3", versioning: "Suspended" });
    aws.addBucket("d", { account: "333333333333" });
    aws.addBucket("a", { objectLock: true, versioning: "Enabled" });
    const wish = wishOf([pairOf(A, B), pairOf(A, C), pairOf(A, nativeBucket("d"))], { leave: { mayVersion: false } });
    const { plan, made } = await applyTo(aws, wish);
    assert.deepEqual(codes(plan.problems), [
      "BucketForbidden aws:d",
      "BucketMissing aws:b",
      "ObjectLockMismatch aws:c",
      "VersioningOff aws:c",
      "WrongRegion aws:c",
    ]);
    assert.deepEqual([made, aws.mutations], [[], []]);
    for (const { hint } of plan.problems) assert.notEqual(hint, "");
  });

  it("a source that may not be looked at any more keeps its role: nobody knows whether it replicates", async () => {
    const aws = world();
    await settleTo(aws, wishOf([pairOf(A, B), pairOf(C, B)]));
    const roles = aws.roles.size;
    aws.buckets.set("c", { ...aws.addBucket("c"), account: "333333333333" });
    const { plan } = await applyTo(aws, wishOf([pairOf(A, B)]));
    assert.equal(aws.roles.size, roles);
    assert.match(plan.notes.join(), /c was not looked at/);
  });

  it("a source whose credentials are another account's is refused before anything is changed", async () => {
    const aws = world();
    const { plan } = await applyTo(aws, wishOf([pairOf(FAR, A)]), { callerOf: () => ACCOUNT });
    assert.deepEqual(codes(plan.problems), ["WrongAccount aws:far"]);
  });

  it("what IAM says it would refuse is told before", async () => {
    const aws = world();
    aws.simulated = (_, action) => (action === "iam:CreateRole" ? "denied" : "unknown");
    const { plan } = await applyTo(aws, ONE_WAY);
    assert.deepEqual(codes(plan.problems), ["NotPermitted aws:a"]);
    assert.deepEqual(aws.mutations, []);
  });

  it("looks at keys: missing, disabled, in another region, and AWS's own across accounts", async () => {
    const aws = world();
    const arn = (region: string, id: string) => `arn:aws:kms:${region}:${ACCOUNT}:key/${id}`;
    const add = (region: string, id: string, options: { readonly isEnabled?: boolean; readonly isAwsManaged?: boolean } = {}) =>
      aws.keys.set(arn(region, id), {
        key: { arn: arn(region, id), account: ACCOUNT, region, isEnabled: true, isAwsManaged: false, ...options },
        policy: { Version: "2012-10-17", Statement: [] },
      });
    add("us-east-1", "off", { isEnabled: false });
    add("eu-west-1", "near");
    add("us-east-1", "own", { isAwsManaged: true });
    const cases = [
      [pairOf(A, C, { replicaKmsKeyId: "none" }), "KeyMissing aws:c"],
      [pairOf(A, C, { replicaKmsKeyId: "off" }), "KeyDisabled aws:c"],
      [pairOf(A, C, { replicaKmsKeyId: arn("eu-west-1", "near") }), "KeyWrongRegion aws:c"],
      [pairOf(A, FAR, { replicaKmsKeyId: "own" }), "KeyNotShared aws:far"],
    ] as const;
    for (const [pair, problem] of cases) assert.deepEqual(codes((await planOf(aws, wishOf([pair]))).problems), [problem]);
  });
});

describe("KMS", () => {
  const key = (id: string, account = ACCOUNT) => `arn:aws:kms:us-east-1:${account}:key/${id}`;
  const delegating = (account: string) => ({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow" as const, Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" }],
  });

  function withKeys(): MemoryAws {
    const aws = world();
    for (const [id, account] of [
      ["source", ACCOUNT],
      ["replica", ACCOUNT],
      ["far", OTHER_ACCOUNT],
    ] as const) {
      const arn = key(id, account);
      const facts = { arn, account, region: "us-east-1", isEnabled: true, isAwsManaged: false };
      aws.keys.set(arn, { key: facts, policy: delegating(account) });
    }
    aws.addBucket("a", { versioning: "Enabled", keys: [key("source")] });
    return aws;
  }

  it("names every key that was ever sampled, by its ARN", async () => {
    const aws = withKeys();
    const wish = wishOf([pairOf(A, C, { replicaKmsKeyId: "replica" })]);
    await settleTo(aws, wish);
    const text = () => JSON.stringify([...aws.roles.values()]);
    assert.match(text(), /key\/source/);
    assert.equal(aws.buckets.get("a")?.document?.rules[0]?.destination.replicaKmsKeyId, key("replica"));
    aws.addBucket("a", { ...aws.buckets.get("a")?.facts, keys: [] }).document = aws.buckets.get("a")?.document;
    const forgetful = aws.buckets.get("a");
    assert.ok(forgetful !== undefined);
    await applyTo(aws, wish);
    assert.match(text(), /key\/source/, "a key that no new object uses still encrypts old ones");
  });

  it("keys of the source that are not there are told of before anything is changed", async () => {
    const aws = withKeys();
    const { plan } = await applyTo(aws, wishOf([pairOf(A, C, { replicaKmsKeyId: "replica" })], { leave: { kmsKeys: ["gone"] } }));
    assert.deepEqual(codes(plan.problems), ["KeyMissing aws:a"]);
    assert.deepEqual(aws.mutations, []);
  });

  for (const [what, next] of [
    ["destroy", (wish: NativeWish) => nothingOf(wish)],
    [
      "a config without KMS",
      (wish: NativeWish) => ({ ...wish, pairs: wish.pairs.map((pair) => ({ ...pair, replicaKmsKeyId: undefined })) }),
    ],
  ] as const)
    it(`statements for a role of one's own go from keys too: ${what}`, async () => {
      const aws = withKeys();
      const roleArn = aws.addRole(ACCOUNT, { name: "mine" }).arn;
      const admin = { Effect: "Allow" as const, Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/admin` }, Action: "kms:*", Resource: "*" };
      for (const arn of [key("source"), key("far", OTHER_ACCOUNT)]) {
        const there = aws.keys.get(arn);
        assert.ok(there !== undefined);
        there.policy = { Version: "2012-10-17", Statement: [admin] };
      }
      const before = structuredClone([...aws.keys]);
      const wish = wishOf([pairOf(A, FAR, { replicaKmsKeyId: key("far", OTHER_ACCOUNT) })], {
        owner: { name: "acme", path: "/replicast/acme/", tags: {}, roleArn },
      });
      await settleTo(aws, wish);
      assert.equal(aws.keys.get(key("source"))?.policy.Statement.length, 2);
      assert.equal(aws.keys.get(key("far", OTHER_ACCOUNT))?.policy.Statement.length, 3);
      await settleTo(aws, next(wish));
      assert.deepEqual([...aws.keys], before);
    });

  it("a key of the source's account loses our statements where no bucket of the config is in its region any more", async () => {
    const aws = withKeys();
    const arn = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/near`;
    const facts = { arn, account: ACCOUNT, region: "eu-west-1", isEnabled: true, isAwsManaged: false };
    const admin = { Effect: "Allow" as const, Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/admin` }, Action: "kms:*", Resource: "*" };
    aws.keys.set(arn, { key: facts, policy: { Version: "2012-10-17", Statement: [admin] } });
    await settleTo(aws, wishOf([pairOf(A, B, { replicaKmsKeyId: arn })]));
    assert.equal(aws.keys.get(arn)?.policy.Statement.length, 3);
    await settleTo(aws, wishOf([pairOf(A, C)]));
    assert.deepEqual(aws.keys.get(arn)?.policy.Statement, [admin]);
  });

  it("a key that leaves it to IAM is not touched; another account's gets a statement, which goes again", async () => {
    const aws = withKeys();
    const wish = wishOf([pairOf(A, FAR, { replicaKmsKeyId: key("far", OTHER_ACCOUNT), ownerOverride: true })]);
    const before = structuredClone(aws.keys.get(key("far", OTHER_ACCOUNT))?.policy);
    await settleTo(aws, wish);
    assert.equal(aws.mutations.includes(`PutKeyPolicy ${key("source")}`), false);
    assert.equal(aws.keys.get(key("far", OTHER_ACCOUNT))?.policy.Statement.length, 3);
    await settleTo(aws, nothingOf(wish));
    assert.deepEqual(aws.keys.get(key("far", OTHER_ACCOUNT))?.policy, before);
  });
});

describe("another account", () => {
  const wish = wishOf([pairOf(A, FAR, { ownerOverride: true })]);

  it("its bucket policy gets our statements where the credentials reach, beside its own, and loses them again", async () => {
    const aws = world();
    const own = { Sid: "Theirs", Effect: "Deny" as const, Principal: "*", Action: "s3:DeleteBucket", Resource: "arn:aws:s3:::far" };
    const far = aws.buckets.get("far");
    assert.ok(far !== undefined);
    far.policy = { Version: "2012-10-17", Statement: [own] };
    const { plan } = await settleTo(aws, wish);
    assert.deepEqual(plan.handOvers, []);
    assert.deepEqual(far.policy.Statement[0], own);
    assert.match(JSON.stringify(far.policy), /ObjectOwnerOverrideToBucketOwner/);
    assert.deepEqual(aws.buckets.get("a")?.document?.rules[0]?.destination.ownerOverride, true);
    await settleTo(aws, nothingOf(wish));
    assert.deepEqual(far.policy, { Version: "2012-10-17", Statement: [own] });
  });

  it("a role that was just made is not known there yet: its policy is set again until it is taken", async () => {
    const aws = world();
    const cause = Object.assign(new Error("Invalid principal in policy"), { name: "MalformedPolicy", $metadata: { httpStatusCode: 400 } });
    let refusals = 3;
    aws.faults = {
      before: (call) => {
        if (call === "PutBucketPolicy far" && refusals-- > 0) throw new ReplicationError("InvalidRequest", "Invalid principal", { cause });
      },
    };
    await settleTo(aws, wish);
    assert.match(JSON.stringify(aws.buckets.get("far")?.policy), /ReplicateObject/);
    assert.deepEqual(ruleIds(aws, "a"), ["acme/photos/far"]);
  });

  it("is handed a policy where they do not", async () => {
    const aws = world();
    aws.addBucket("far", { account: OTHER_ACCOUNT, versioning: "Enabled" });
    const { plan } = await applyTo(aws, wish, { callerOf: () => ACCOUNT });
    assert.deepEqual(
      plan.handOvers.map(({ account, kind, subject }) => [account, kind, subject]),
      [[OTHER_ACCOUNT, "bucket-policy", "far"]],
    );
    assert.match(JSON.stringify(plan.handOvers[0]?.document), /s3:ReplicateObject/);
    assert.deepEqual(ruleIds(aws, "a"), ["acme/photos/far"]);
  });
});

function changed(steps: readonly Step[]): readonly string[] {
  return steps.flatMap(({ changes }) => changes.map(({ action, type, id }) => `${action} ${type} ${id}`));
}

describe("a plan with problems", () => {
  const here = { callerOf: () => ACCOUNT };

  it("lists no bucket that may not be made from here, and nothing that hangs on it", async () => {
    const aws = world();
    aws.buckets.delete("far");
    const wish = wishOf([pairOf(A, FAR), pairOf(C, B)], { leave: { mayCreate: true } });
    const { problems, steps } = await planOf(aws, wish, here);
    assert.deepEqual(codes(problems), ["BucketMissing aws:far"]);
    const listed = changed(steps);
    assert.deepEqual(
      listed.filter((line) => /far|aws:a:/.test(line)),
      [],
    );
    assert.ok(listed.includes("create replication-rule aws:c:acme/photos/b"), "what has nothing to do with the problem is listed");
  });

  it("lists no policy that lets in the role of a source that is not set up", async () => {
    const wish = wishOf([pairOf(A, FAR), pairOf(A, nativeBucket("gone"))]);
    const { problems, steps } = await planOf(world(), wish);
    assert.deepEqual(codes(problems), ["BucketMissing aws:gone"]);
    assert.deepEqual(changed(steps), ["update versioning aws:a", "update versioning aws:far"]);
  });

  it("lists no versioning that may not be turned on", async () => {
    const { problems, steps } = await planOf(world(), wishOf([pairOf(A, B)], { leave: { mayVersion: false } }));
    assert.deepEqual(codes(problems), ["VersioningOff aws:a", "VersioningOff aws:b"]);
    assert.deepEqual(changed(steps), []);
  });
});

describe("destroy of a pair into an account that is not at hand", () => {
  const KEY = `arn:aws:kms:us-east-1:${OTHER_ACCOUNT}:key/k`;
  const WISH = wishOf([pairOf(A, FAR, { ownerOverride: true, replicaKmsKeyId: KEY })]);
  const here = { callerOf: () => ACCOUNT };

  it("says that what was handed over stays there", async () => {
    const aws = world();
    const far = aws.buckets.get("far");
    assert.ok(far);
    far.facts = { ...far.facts, versioning: "Enabled" };
    const key = { arn: KEY, account: OTHER_ACCOUNT, region: "us-east-1", isEnabled: true, isAwsManaged: false };
    aws.keys.set(KEY, { key, policy: { Version: "2012-10-17", Statement: [] } });
    const { plan } = await applyTo(aws, WISH, here);
    assert.deepEqual(
      plan.handOvers.map(({ kind }) => kind),
      ["bucket-policy", "key-policy"],
    );
    const { notes } = await planOf(aws, nothingOf(WISH), here);
    assert.equal(notes.length, 2, notes.join("\n"));
    assert.match(notes[0] ?? "", /account 222222222222 for the bucket policy of far stays/);
    assert.match(notes[1] ?? "", /account 222222222222 for the policy of the key arn:aws:kms:us-east-1:222222222222:key\/k stays/);
    await applyTo(aws, nothingOf(WISH), here);
    assert.deepEqual((await planOf(aws, nothingOf(WISH), here)).notes, [], "what went is told of once");
  });

  it("says nothing of it where the credentials reach: the policy goes too", async () => {
    const aws = world();
    const wish = wishOf([pairOf(A, FAR)]);
    await settleTo(aws, wish);
    assert.deepEqual((await planOf(aws, nothingOf(wish))).notes, []);
  });
});
