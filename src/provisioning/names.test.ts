import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nativeBucket, nativeOwner } from "../../test/support/native-pairs.ts";
import { batchRoleNameOf, isOwnedId, isOwnedSid, lockRoleName, roleNameOf, roleTagsOf, ruleIdOf, sidOf } from "./names.ts";
import { bucketArn } from "./native-pair.ts";

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const rule = fc.stringMatching(/^[A-Za-z0-9._-]{1,300}$/);
const destination = fc.string({ minLength: 1, maxLength: 300, unit: "grapheme" });
const bucket = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/);
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/;
const LONG_BUCKET = "b".repeat(63);

test("ids of rules fit into S3, are the same each time, and are known as ours", () => {
  fc.assert(
    fc.property(name, rule, destination, (owner, ruleId, destinationId) => {
      const id = ruleIdOf(owner, ruleId, destinationId);
      assert.ok(id.length <= 255);
      assert.equal(ruleIdOf(owner, ruleId, destinationId), id);
      assert.ok(isOwnedId(owner, id));
      assert.ok(!isOwnedId(`${owner}x`, id) && !isOwnedId(owner.slice(0, -1), id));
    }),
  );
});

test("an id that fits is what a person reads in the config", () => {
  assert.equal(ruleIdOf("acme", "photos", "aws:photos-copy"), "acme/photos/aws:photos-copy");
  assert.equal(ruleIdOf("acme", "p", "d".repeat(248)).length, 255);
  assert.ok(!ruleIdOf("acme", "p", "d".repeat(248)).includes("~"));
});

test("ids that differ only past what fits still differ", () => {
  fc.assert(
    fc.property(fc.uniqueArray(destination, { minLength: 2, maxLength: 8 }), (ends) => {
      const ids = ends.map((end) => ruleIdOf("acme", "r".repeat(250), end));
      assert.equal(new Set(ids).size, ends.length);
      for (const id of ids) assert.ok(id.startsWith("acme/rrr") && /~[0-9a-f]{16}$/.test(id));
    }),
  );
});

test("a long id is shortened without cutting a character in two", () => {
  const ids = ["photo", "photos"].map((rule) => ruleIdOf("acme", rule, "😀".repeat(200)));
  for (const id of ids) assert.ok(id.length <= 255 && id.isWellFormed());
});

test("names of roles fit into IAM, are the same each time, and differ by source, by name and by purpose", () => {
  fc.assert(
    fc.property(
      name,
      fc.option(fc.string({ minLength: 1, maxLength: 80 }), { nil: undefined }),
      fc.uniqueArray(bucket, { minLength: 2, maxLength: 4 }),
      (owner, rolePrefix, buckets) => {
        const owners = [owner, `${owner}2`].map((each) => nativeOwner(each, { rolePrefix }));
        const names = () =>
          owners.flatMap((each) => buckets.flatMap((of) => [roleNameOf(each, nativeBucket(of)), batchRoleNameOf(each, nativeBucket(of))]));
        for (const role of names()) assert.match(role, ROLE_NAME);
        assert.equal(new Set(names()).size, 4 * buckets.length);
        assert.deepEqual(names(), names());
      },
    ),
  );
});

test("two sources of one region under a shared prefix have a role each", () => {
  const owner = nativeOwner("shop-prod", { rolePrefix: "shared" });
  const [one, two] = [`${LONG_BUCKET.slice(1)}1`, `${LONG_BUCKET.slice(1)}2`].map((of) => roleNameOf(owner, nativeBucket(of)));
  assert.notEqual(one, two);
  for (const role of [one, two]) assert.match(role ?? "", /^shared-bbbb/);
});

test("a 63-character bucket and a long name leave room for both", () => {
  const role = roleNameOf(nativeOwner("n".repeat(63)), nativeBucket(LONG_BUCKET));
  assert.match(role, /^n{26}-b{26}-[0-9a-f]{10}$/);
  assert.match(roleNameOf(nativeOwner("acme"), nativeBucket("photos")), /^acme-photos-[0-9a-f]{10}$/);
});

test("a role's name never changes with a release: it is found by it", () => {
  assert.equal(roleNameOf(nativeOwner("acme"), nativeBucket("photos")), "acme-photos-f2eea09558");
  assert.equal(lockRoleName(nativeBucket("photos")), "replicast-lock-9de5a723d1779be2");
});

test("a bucket's role and lock are the same whatever a config calls its store", () => {
  const [one, other] = [nativeBucket("photos"), { ...nativeBucket("photos"), id: "s3://elsewhere/photos", name: "prod:photos" }];
  assert.equal(roleNameOf(nativeOwner("acme"), one), roleNameOf(nativeOwner("acme"), other));
  assert.equal(lockRoleName(one), lockRoleName(other));
  assert.match(lockRoleName(one), /^replicast-lock-[0-9a-f]{16}$/);
  assert.notEqual(lockRoleName(one), lockRoleName(nativeBucket("videos")));
});

test("tags by which a role is found cannot be overwritten", () => {
  const source = nativeBucket("photos");
  const owner = nativeOwner("acme", { tags: { team: "x", "replicast:name": "other" } });
  const tags = { team: "x", "replicast:name": "acme", "replicast:source": source.id, "replicast:region": "eu-west-1" };
  assert.deepEqual(roleTagsOf(owner, source), tags);
  const previous = "arn:aws:iam::111111111111:role/by-hand";
  assert.deepEqual(roleTagsOf(owner, source, previous), { ...tags, "replicast:previous-role": previous });
});

test("Sids are letters and digits, and tell owner and source", () => {
  fc.assert(
    fc.property(name, fc.tuple(bucket, bucket), fc.array(fc.string(), { maxLength: 3 }), (owner, [one, other], parts) => {
      const [source, elsewhere] = [nativeBucket(one), nativeBucket(other)];
      const sid = sidOf(owner, bucketArn(source), ...parts);
      assert.match(sid, /^Replicast[A-Za-z0-9]+$/);
      assert.ok(isOwnedSid(owner, sid) && isOwnedSid(owner, sid, source));
      assert.ok(!isOwnedSid(`${owner}2`, sid));
      assert.equal(isOwnedSid(owner, sid, elsewhere), one === other);
    }),
  );
  assert.notEqual(sidOf("acme", "s", "ab", "c"), sidOf("acme", "s", "a", "bc"));
});
