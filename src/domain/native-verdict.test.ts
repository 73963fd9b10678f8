import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainNative } from "./native-failures.ts";
import { judgeNative, NATIVE_FAULTS, type NativeSides, type NativeVerdict } from "./native-verdict.ts";
import type { ObjectState, ReplicationStatus } from "./object.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const MINUTE = 60_000;

function object(overrides: Partial<ObjectState> = {}): ObjectState {
  return {
    key: "k",
    etag: "e1",
    sizeBytes: 5,
    lastModified: NOW - 60 * MINUTE,
    versionId: "v1",
    attributes: { systemHeaders: {}, metadata: {} },
    tagCount: 0,
    etagMayBeMd5: true,
    ...overrides,
  };
}

const OLD = { etag: "e0", versionId: "v0", sizeBytes: 4, lastModified: NOW - 90 * MINUTE, replicationStatus: "REPLICA" } as const;
const YOUNG = { lastModified: NOW - 14 * MINUTE } as const;

interface Row {
  readonly source?: Partial<ObjectState>;
  readonly replica?: Partial<ObjectState>;
  readonly facts?: Partial<NativeSides>;
  readonly verdict: NativeVerdict;
}

const failed = (reason: string): NativeVerdict => ({ kind: "failed", reason });
const said = (replicationStatus: ReplicationStatus) => ({ replicationStatus });

const TABLE: Readonly<Record<string, Row>> = {
  "equal by size and ETag, whatever the source says": { source: said("FAILED"), replica: {}, verdict: { kind: "equal", proof: "etag" } },
  "equal by the version id that S3 keeps, where KMS changed the ETag": {
    replica: { etag: "other" },
    verdict: { kind: "equal", proof: "provider" },
  },
  "not equal by the version id alone": {
    source: said("FAILED"),
    replica: { etag: "other", sizeBytes: 6 },
    facts: { isSole: true },
    verdict: failed("ReplicationFailed"),
  },
  "not equal where neither has a version id": {
    source: { ...said("COMPLETED"), versionId: undefined },
    replica: { etag: "other", versionId: undefined },
    verdict: failed("LostTrack"),
  },
  "a replica is not carried on": { source: said("REPLICA"), verdict: { kind: "replica" } },
  "PENDING, however old": { source: said("PENDING"), verdict: { kind: "pending" } },
  "nothing said, and young": { source: YOUNG, verdict: { kind: "pending" } },
  "nothing said, and of 15 minutes": { source: { lastModified: NOW - 15 * MINUTE }, verdict: failed("NONE") },
  "COMPLETED and absent, but young: the listing of the destination may be behind": {
    source: { ...said("COMPLETED"), ...YOUNG },
    verdict: { kind: "pending" },
  },
  "COMPLETED and absent: lost track of": { source: said("COMPLETED"), verdict: failed("LostTrack") },
  "COMPLETED and another content there: lost track of": { source: said("COMPLETED"), replica: OLD, verdict: failed("LostTrack") },
  "FAILED and young at the only rule: final, S3 never tries again": {
    source: { ...said("FAILED"), ...YOUNG },
    facts: { isSole: true },
    verdict: failed("ReplicationFailed"),
  },
  "FAILED and young beside other rules: the header may be about another destination": {
    source: { ...said("FAILED"), ...YOUNG },
    verdict: { kind: "pending" },
  },
  "FAILED and old beside other rules, and this destination lacks it": { source: said("FAILED"), verdict: failed("ReplicationFailed") },
  "FAILED beside other rules, and this destination has it": {
    source: said("FAILED"),
    replica: {},
    verdict: { kind: "equal", proof: "etag" },
  },
  "NONE where the rule stands": { facts: { isApplied: true }, verdict: failed("NONE") },
  "NONE where the rule does not stand": { facts: { isApplied: false }, verdict: failed("NotApplied") },
  "what an event said of this version counts before the aggregate header": {
    source: { ...said("PENDING"), ...YOUNG },
    facts: { failureReason: "AssumeRoleNotPermitted" },
    verdict: failed("AssumeRoleNotPermitted"),
  },
  "a batch job at work: nothing is concluded": {
    source: said("FAILED"),
    facts: { isSole: true, isRepaired: true },
    verdict: { kind: "pending" },
  },
  "a client wrote the other end of a mesh later": {
    source: said("COMPLETED"),
    replica: { etag: "theirs", versionId: "v9", lastModified: NOW - MINUTE },
    facts: { isInterior: true },
    verdict: { kind: "superseded" },
  },
  "a client wrote a leaf later: nothing brings that back": {
    source: said("COMPLETED"),
    replica: { etag: "theirs", versionId: "v9", lastModified: NOW - MINUTE },
    verdict: failed("LostTrack"),
  },
  "an older replica at the other end of a mesh": {
    source: said("FAILED"),
    replica: OLD,
    facts: { isInterior: true },
    verdict: failed("ReplicationFailed"),
  },
};

describe("judgeNative", () => {
  for (const [what, { source, replica, facts, verdict }] of Object.entries(TABLE)) {
    it(what, () => {
      const sides: NativeSides = {
        source: object(source),
        replica: replica === undefined ? undefined : object(replica),
        now: NOW,
        isSole: false,
        isInterior: false,
        ...facts,
      };
      assert.deepEqual(judgeNative(sides), verdict);
    });
  }
});

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html */
const DOCUMENTED =
  "AssumeRoleNotPermitted DstBucketInvalidRegion DstBucketNotFound DstBucketObjectLockConfigMissing DstBucketUnversioned DstDelObjNotPermitted " +
  "DstKmsKeyInvalidState DstKmsKeyNotFound DstMultipartCompleteNotPermitted DstMultipartInitNotPermitted DstMultipartUploadNotPermitted " +
  "DstObjectHardDeleted DstPutAclNotPermitted DstPutLegalHoldNotPermitted DstPutObjectNotPermitted DstPutRetentionNotPermitted " +
  "DstPutTaggingNotPermitted DstVersionNotFound InitiateReplicationNotPermitted SrcBucketInvalidRegion SrcBucketNotFound " +
  "SrcBucketReplicationConfigMissing SrcGetAclNotPermitted SrcGetLegalHoldNotPermitted SrcGetObjectNotPermitted SrcGetRetentionNotPermitted " +
  "SrcGetTaggingNotPermitted SrcHeadObjectNotPermitted SrcKeyNotFound SrcKmsKeyInvalidState SrcObjectNotEligible SrcObjectNotFound " +
  "SrcReplicationNotPending SrcVersionNotFound";

describe("explainNative", () => {
  const unknown = explainNative("SomethingNew");

  it("knows every reason that S3 documents, by its own name and with something to do", () => {
    for (const reason of DOCUMENTED.split(" ")) {
      const error = explainNative(reason);
      assert.ok(error.message.startsWith(`${reason}: `), reason);
      assert.notEqual(error.hint, unknown.hint, reason);
    }
  });

  it("keeps S3's word for a reason that nobody has heard of, and what a report adds to it", () => {
    assert.match(unknown.message, /^SomethingNew: /);
    assert.match(explainNative("SomethingNew", "the moon was full").message, /the moon was full$/);
    assert.match(explainNative("toString").message, /^toString: S3 could not/);
  });

  it("tells what to do about each fault that only a look shows", () => {
    const hints = Object.values(NATIVE_FAULTS).map((fault) => explainNative(fault).hint);
    assert.equal(new Set([...hints, unknown.hint]).size, hints.length + 1);
  });
});
