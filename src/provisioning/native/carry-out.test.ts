import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  ACCOUNT,
  applyTo,
  nativeBucket,
  nothingOf,
  OTHER_ACCOUNT,
  pairOf,
  ruleIds,
  settleTo,
  wishOf,
} from "../../../test/support/native-plane.ts";
import { isReplicationError } from "../../domain/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ReplicationDocument } from "../../ports/replication-configuration.ts";
import { LeapingClock } from "../../testing/leaping-clock.ts";
import { MemoryAws } from "../../testing/memory-aws.ts";
import type { Plan } from "../change.ts";
import { lockRoleName } from "../names.ts";
import type { NativeWish } from "./wish.ts";

const A = nativeBucket("a");
const B = nativeBucket("b", { region: "eu-west-1" });
const FAR = nativeBucket("far", { account: OTHER_ACCOUNT });
const KEY = `arn:aws:kms:us-east-1:${OTHER_ACCOUNT}:key/far`;
const MESH = [pairOf(A, B, { isTwoWay: true }), pairOf(B, A, { isTwoWay: true })];
const WIDE = wishOf([...MESH, pairOf(A, FAR, { ownerOverride: true, replicaKmsKeyId: KEY })], {
  leave: { mayCreate: true, mayVersion: false },
});

/** A bucket that serverless-s3-replication-plugin set up, one that is missing, one of another account with a key. */
function world(): MemoryAws {
  const aws = new MemoryAws();
  const a = aws.addBucket("a", { versioning: "Enabled" });
  aws.addBucket("c", { versioning: "Enabled" });
  aws.addBucket("far", { account: OTHER_ACCOUNT });
  const facts = { arn: KEY, account: OTHER_ACCOUNT, region: "us-east-1", isEnabled: true, isAwsManaged: false };
  aws.keys.set(KEY, { key: facts, policy: { Version: "2012-10-17", Statement: [] } });
  const role = aws.addRole(ACCOUNT, { name: "old", tags: { "SLS-S3-REPLICATION-PLUGIN": "old" } });
  const destination = { bucketArn: "arn:aws:s3:::c", ownerOverride: false, replicationTime: false };
  const rule = { status: "Enabled", prefix: "", tags: {}, deleteMarkerReplication: true, replicaModifications: false } as const;
  a.document = { role: role.arn, rules: [{ ...rule, id: "", priority: 0, kmsEncryptedObjects: false, destination }] };
  return aws;
}

class Killed extends Error {}

/** The process dies at its n-th change: before it has taken effect, or after. Nothing that it tries from then on happens. */
function killAt(aws: MemoryAws, n: number, when: "before" | "after"): { readonly struck: () => boolean } {
  let count = 0;
  let isDead = false;
  aws.faults = {
    before: () => {
      if (!isDead) count++;
      if (isDead || (when === "before" && count === n)) {
        isDead = true;
        throw new Killed();
      }
    },
    after: () => {
      if (when !== "after" || count !== n) return;
      isDead = true;
      throw new Killed();
    },
  };
  return { struck: () => isDead };
}

/** One call fails, and the process lives to give its locks back. */
function failAt(aws: MemoryAws, n: number): { readonly struck: () => boolean } {
  let count = 0;
  aws.faults = {
    before: () => {
      if (++count === n) throw new Killed();
    },
  };
  return { struck: () => count >= n };
}

const FAULTS = {
  "killed before": (aws: MemoryAws, n: number) => killAt(aws, n, "before"),
  "killed after": (aws: MemoryAws, n: number) => killAt(aws, n, "after"),
  "failed at": failAt,
} as const;

async function expected(start: () => Promise<MemoryAws>, wish: NativeWish): Promise<unknown> {
  const aws = await start();
  await settleTo(aws, wish);
  return aws.snapshot();
}

/** Strikes at each change in turn; the next apply must bring about the same world as one that was never disturbed. */
async function strikeEverywhere(start: () => Promise<MemoryAws>, wish: NativeWish): Promise<number> {
  const calm = await expected(start, wish);
  let strikes = 0;
  for (const [name, strike] of Object.entries(FAULTS)) {
    for (let n = 1; ; n++) {
      const aws = await start();
      const fault = strike(aws, n);
      await applyTo(aws, wish).catch((error: unknown) => assert.ok(error instanceof Killed, String(error)));
      aws.faults = {};
      if (!fault.struck()) break;
      strikes++;
      // Long enough after for locks to be over.
      await settleTo(aws, wish, { holder: "the next", clock: new LeapingClock(Date.UTC(2026, 0, 2)) });
      assert.deepEqual(aws.snapshot(), calm, `${name} change ${n}`);
    }
  }
  return strikes;
}

describe("an apply that is broken off", () => {
  it("is completed by the next, at whatever change it was", async () => {
    assert.ok((await strikeEverywhere(async () => world(), WIDE)) > 45);
  });

  it("is completed where it was a destroy", async () => {
    const applied = async () => {
      const aws = world();
      await settleTo(aws, WIDE);
      return aws;
    };
    assert.ok((await strikeEverywhere(applied, nothingOf(WIDE))) > 20);
  });

  it("is completed where it took a pair away", async () => {
    const applied = async () => {
      const aws = world();
      await settleTo(aws, WIDE);
      return aws;
    };
    assert.ok((await strikeEverywhere(applied, { ...WIDE, pairs: WIDE.pairs.slice(0, 2) })) > 6);
  });

  it("waits for IAM also where the role was made by the one before", async () => {
    const aws = world();
    const clock = new LeapingClock();
    aws.faults = {
      before: (call) => {
        if (call.startsWith("PutBucketReplication")) throw new Killed();
      },
    };
    await assert.rejects(applyTo(aws, WIDE), Killed);
    aws.faults = {};
    await applyTo(aws, WIDE, { clock });
    assert.ok(clock.slept.includes(WIDE.propagationMs));
  });

  it("that is interrupted finishes the call under way and gives its lock back", async () => {
    const aws = world();
    const controller = new AbortController();
    aws.faults = { after: (call) => (call.startsWith("PutBucketVersioning") ? controller.abort() : undefined) };
    const { isComplete, made } = await applyTo(aws, WIDE, { signal: controller.signal });
    assert.equal(isComplete, false);
    assert.deepEqual(
      made.map(({ type }) => type),
      ["bucket", "versioning"],
    );
    assert.equal(
      [...aws.roles.values()].some(({ path }) => path === "/replicast/lock/"),
      false,
    );
  });
});

/** Answers the first `reads` after each write of a replication configuration as if there had been none. */
function readLate(aws: MemoryAws, reads: number): void {
  const configuration = aws.configuration.bind(aws);
  const late = new Map<string, { readonly before: ReplicationDocument | undefined; left: number }>();
  aws.configuration = (name, caller, region) => {
    const port = configuration(name, caller, region);
    return {
      ...port,
      replication: async () => {
        const old = late.get(name);
        return old !== undefined && old.left-- > 0 ? old.before : port.replication();
      },
      putReplication: async (document) => {
        const before = (late.get(name)?.left ?? 0) > 0 ? late.get(name)?.before : await port.replication();
        await port.putReplication(document);
        late.set(name, { before, left: reads });
      },
    };
  };
}

describe("a replication configuration that is read late", () => {
  it("is not taken for somebody else's: it is written once", async () => {
    const aws = world();
    readLate(aws, 4);
    const { isComplete } = await applyTo(aws, WIDE);
    assert.equal(isComplete, true);
    assert.equal(aws.mutations.filter((call) => call === "PutBucketReplication a").length, 1);
  });

  it("is not waited for without end: somebody may have put the old one back", async () => {
    const aws = world();
    readLate(aws, Number.POSITIVE_INFINITY);
    await assert.rejects(applyTo(aws, WIDE), (error) => isReplicationError(error) && error.code === "PreconditionFailed");
  });
});

describe("what goes wrong", () => {
  it("is told as it was, and every lock that can be is given back, though another cannot", async () => {
    const aws = world();
    let refused = 0;
    aws.faults = {
      before: (call) => {
        if (call.startsWith("PutBucketReplication")) throw new Killed();
        if (call.startsWith("DeleteRole replicast-lock") && ++refused === 1) throw new Error("the lock cannot be deleted");
      },
    };
    await assert.rejects(applyTo(aws, WIDE), Killed);
    assert.equal([...aws.roles.values()].filter(({ path }) => path === "/replicast/lock/").length, 1);
    assert.equal(refused, 2, "both were tried");
  });

  it("with a lock alone is told, after the others were given back", async () => {
    const aws = world();
    let refused = 0;
    aws.faults = {
      before: (call) => {
        if (call.startsWith("DeleteRole replicast-lock") && ++refused === 1) throw new Error("the lock cannot be deleted");
      },
    };
    await assert.rejects(applyTo(aws, WIDE), /the lock cannot be deleted/);
    assert.equal([...aws.roles.values()].filter(({ path }) => path === "/replicast/lock/").length, 1);
  });

  it("with what has to be ready before the first change stops it there", async () => {
    const aws = world();
    const before = aws.snapshot();
    const onPlan = () => Promise.reject(new Killed());
    await assert.rejects(applyTo(aws, WIDE, { onPlan }), Killed);
    assert.deepEqual(aws.snapshot(), before);
  });
});

it("a plan with problems, and one that changes nothing, are told apart by whether they are carried out", async () => {
  const aws = world();
  const plans: number[] = [];
  const onPlan = async ({ steps }: Plan) => void plans.push(steps.length);
  await applyTo(aws, wishOf([pairOf(A, nativeBucket("gone"))]), { onPlan });
  assert.deepEqual(plans, []);
  await settleTo(aws, WIDE, { onPlan });
  assert.deepEqual(
    plans.map((steps) => steps > 0),
    [true, false],
  );
});

/** Lets others go on while it sleeps, and moves only a little. */
function sharedClock(): Clock {
  let now = Date.UTC(2026, 0, 1);
  return {
    now: () => now,
    sleep: async () => {
      now += 1;
      await turn();
    },
  };
}

describe("two applies at once", () => {
  it("do one after the other what has to be done, once", async () => {
    const calm = await expected(async () => world(), WIDE);
    const aws = world();
    const clock = sharedClock();
    // Every change takes a while, so that they would meet.
    aws.faults = { before: () => turn() };
    const both = await Promise.all(["one", "two"].map((holder) => applyTo(aws, WIDE, { holder, clock })));
    assert.deepEqual(
      both.map(({ isComplete }) => isComplete),
      [true, true],
    );
    assert.deepEqual(aws.snapshot(), calm);
    assert.equal(aws.mutations.filter((call) => call === "PutBucketReplication a").length, 1);
  });

  it("of two names at two sources do not keep each other from their rules, nor from a bucket that both want made", async () => {
    const aws = world();
    const clock = sharedClock();
    aws.faults = { before: () => turn() };
    const other = { name: "other", path: "/replicast/other/", tags: {} };
    const alike = { leave: { mayCreate: true } };
    const c = nativeBucket("c");
    const wishes = [wishOf([pairOf(A, B)], alike), wishOf([pairOf(c, B)], { ...alike, owner: other })];
    await Promise.all(wishes.map((wish, index) => applyTo(aws, wish, { holder: `${index}`, clock })));
    assert.deepEqual([ruleIds(aws, "a"), ruleIds(aws, "c")], [["acme/photos/b"], ["other/photos/b"]]);
  });

  it("the second says who is at work where it waited long enough, and changes nothing", async () => {
    const aws = world();
    const until = new Date(Date.UTC(2027, 0, 1)).toISOString();
    aws.addRole(ACCOUNT, {
      name: lockRoleName(A),
      path: "/replicast/lock/",
      tags: { "replicast:holder": "host 42 x", "replicast:until": until },
    });
    const refused = applyTo(aws, WIDE, { timeoutMs: 5_000 });
    await assert.rejects(refused, (error) => isReplicationError(error) && /host 42 x/.test(error.message));
    assert.deepEqual(
      aws.mutations.filter((call) => !call.includes("replicast-lock")),
      [],
    );
  });

  it("a lock whose holder is long gone is taken over", async () => {
    const aws = world();
    const tags = { "replicast:holder": "gone", "replicast:until": "2020-01-01T00:00:00.000Z" };
    aws.addRole(ACCOUNT, { name: lockRoleName(A), path: "/replicast/lock/", tags });
    await settleTo(aws, WIDE);
  });
});
