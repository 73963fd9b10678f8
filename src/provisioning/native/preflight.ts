import type { EncryptionKey } from "../../ports/encryption-keys.ts";
import type { BucketFacts } from "../../ports/replication-configuration.ts";
import type { Problem } from "../change.ts";
import type { NativePair } from "../native-pair.ts";
import { isForbidden, visible } from "../seen.ts";
import { type KeyWorld, keyArnOf } from "./read-keys.ts";
import type { BucketWorld, SourceWorld, World } from "./read-world.ts";
import { isCrossAccount } from "./replication-rules.ts";
import type { NativeWish } from "./wish.ts";

/** Everything about the buckets, roles and keys that stands in the way of the pairs, each once. */
export function preflight(wish: NativeWish, world: World): readonly Problem[] {
  const involved = new Set(wish.pairs.flatMap(({ source, destination }) => [source.id, destination.id]));
  const sources = new Set(wish.pairs.map(({ source }) => source.id));
  const buckets = [...world.buckets.values()].filter(({ wished }) => involved.has(wished.bucket.id));
  return once([
    ...buckets.flatMap((bucket) => bucketProblems(bucket, sources.has(bucket.wished.bucket.id))),
    ...world.sources.filter(({ bucket }) => sources.has(bucket.id)).flatMap((source) => sourceProblems(source, wish)),
    ...wish.pairs.flatMap((pair) => pairProblems(pair, world)),
  ]);
}

/** Whether what is at hand belongs to the account that has the bucket: it may be set up from here. */
export function isReachable({ wished, caller }: BucketWorld): boolean {
  return caller.account === wished.bucket.account;
}

function bucketProblems(world: BucketWorld, isSource: boolean): readonly Problem[] {
  const { wished, facts, caller } = world;
  const { bucket, mayCreate } = wished;
  if (isSource && !isReachable(world)) {
    const message = `belongs to account ${bucket.account}, and the credentials to ${caller.account}`;
    return [problem("WrongAccount", bucket.name, { message, hint: "give its store credentials of that account, or correct account" })];
  }
  if (isForbidden(facts)) {
    // What another account has to see to is told with its policy.
    if (!isReachable(world)) return [];
    const hint = "name its account where it is another's; else allow s3:ListBucket and s3:GetBucketVersioning";
    return [problem("BucketForbidden", bucket.name, { message: `may not be looked at: ${facts.forbidden}`, hint })];
  }
  const there = visible(facts);
  if (there !== undefined) return [...regionProblems(world, there), ...versioningProblems(world, there)];
  if (mayCreate && isReachable(world)) return [];
  return [problem("BucketMissing", bucket.name, { message: "does not exist", hint: "create it, or write createBuckets: true" })];
}

function regionProblems({ wished: { bucket } }: BucketWorld, { region }: BucketFacts): readonly Problem[] {
  if (region === bucket.region) return [];
  return [
    problem("WrongRegion", bucket.name, { message: `is in ${region}, not in ${bucket.region}`, hint: `write ${bucket.bucket}@${region}` }),
  ];
}

function versioningProblems(world: BucketWorld, { versioning }: BucketFacts): readonly Problem[] {
  const { mayVersion, mayCreate } = world.wished;
  // What apply may make it may also finish: it may have been interrupted between the two.
  if (versioning === "Enabled" || ((mayVersion || mayCreate) && isReachable(world))) return [];
  const state = versioning === "Suspended" ? "is suspended" : "is off";
  const hint = isReachable(world)
    ? "turn it on, or write versioning: enable"
    : `its account ${world.wished.bucket.account} has to turn it on`;
  return [
    problem("VersioningOff", world.wished.bucket.name, { message: `its versioning ${state}, and S3 replicates versions alone`, hint }),
  ];
}

function sourceProblems(source: SourceWorld, { owner, buckets }: NativeWish): readonly Problem[] {
  const { bucket, facts, document, role } = source;
  const named = buckets.find((wished) => wished.bucket.id === bucket.id)?.kmsKeys ?? [];
  const problems: Problem[] = [...sourceKeyProblems(source, named)];
  if (facts !== undefined && isForbidden(document))
    problems.push(
      problem("NotPermitted", bucket.name, { message: document.forbidden, hint: "allow s3:GetReplicationConfiguration on the bucket" }),
    );
  if (owner.roleArn === undefined && isForbidden(role))
    problems.push(
      problem("NotPermitted", bucket.name, {
        message: role.forbidden,
        hint: "allow iam:GetRole, or name a role of your own in iam.roleArn",
      }),
    );
  if (owner.roleArn !== undefined && "value" in role && role.value?.arn !== owner.roleArn)
    problems.push(problem("RoleMissing", owner.roleArn, { message: "there is no such role", hint: "create it, or correct iam.roleArn" }));
  return problems;
}

/** Objects whose key the role may not use are given up, each and silently; those whose key is gone nobody can read. */
function sourceKeyProblems({ bucket, keys }: SourceWorld, named: readonly string[]): readonly Problem[] {
  if (isForbidden(keys)) {
    const message = `the keys of its objects could not be found out: ${keys.forbidden}`;
    return [problem("NotPermitted", bucket.name, { message, hint: "allow s3:GetObject and s3:ListBucket, or name the keys in kmsKeys" })];
  }
  return keys.value
    .filter((key) => keyArnOf(key) === undefined && (isForbidden(key.key) || named.includes(key.id)))
    .map((key) => {
      const message = isForbidden(key.key) ? `its key ${key.id} may not be looked at: ${key.key.forbidden}` : `there is no key ${key.id}`;
      return problem("KeyMissing", bucket.name, { message, hint: "name the keys by their ARNs in kmsKeys, or allow kms:DescribeKey" });
    });
}

function pairProblems(pair: NativePair, world: World): readonly Problem[] {
  const { source, destination } = pair;
  const [from, to] = [source, destination].map(({ id }) => visible(world.buckets.get(id)?.facts));
  const problems: Problem[] = [];
  if (from?.objectLock === true && to?.objectLock === false) {
    const message = `has no object lock, and the source ${source.name} has`;
    problems.push(
      problem("ObjectLockMismatch", destination.name, {
        message,
        hint: "turn object lock on at the destination, or replicate to another bucket",
      }),
    );
  }
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html
  if (to?.requesterPays === true && isCrossAccount(pair)) {
    const message = `lets requesters pay, and S3 does not replicate to such a bucket of another account`;
    problems.push(problem("RequesterPays", destination.name, { message, hint: "turn Requester Pays off at the destination" }));
  }
  const key = world.replicaKeys.get(pair);
  return [...problems, ...(key === undefined ? defaultKeyProblems(pair, world) : keyProblems(pair, key))];
}

/** What nobody encrypts for it the bucket does, with a key that the source's role may have no use of. */
function defaultKeyProblems(pair: NativePair, { buckets }: World): readonly Problem[] {
  const { destination } = pair;
  const key = visible(buckets.get(destination.id)?.defaultKey?.key);
  if (key?.isAwsManaged !== true || !isCrossAccount(pair)) return [];
  const message = "encrypts by default with AWS's own key, which works within one account only";
  return [problem("KeyNotShared", destination.name, { message, hint: "let its default encryption use AES256 or a key of your own" })];
}

function keyProblems(pair: NativePair, { id, key }: KeyWorld): readonly Problem[] {
  const { destination } = pair;
  if (isForbidden(key)) {
    if (id.startsWith("arn:")) return [];
    const message = `its key ${id} may not be looked at: ${key.forbidden}`;
    return [problem("KeyMissing", destination.name, { message, hint: "name the key by its ARN, or allow kms:DescribeKey" })];
  }
  if (key.value === undefined) {
    const hint = `create it in ${destination.region}, or correct encryption.keyId`;
    return [problem("KeyMissing", destination.name, { message: `there is no key ${id}`, hint })];
  }
  return usableProblems(pair, key.value);
}

function usableProblems(pair: NativePair, key: EncryptionKey): readonly Problem[] {
  const { destination } = pair;
  if (key.region !== destination.region) {
    const message = `the key ${key.arn} is in ${key.region}, and the bucket in ${destination.region}`;
    return [problem("KeyWrongRegion", destination.name, { message, hint: "name a key of the destination's region" })];
  }
  if (!key.isEnabled)
    return [problem("KeyDisabled", destination.name, { message: `the key ${key.arn} is not enabled`, hint: "enable it, or name another" })];
  if (key.isAwsManaged && isCrossAccount(pair)) {
    const message = `the key ${key.arn} is AWS's own, which works within one account only`;
    return [problem("KeyNotShared", destination.name, { message, hint: "name a key of your own in encryption.keyId" })];
  }
  return [];
}

function problem(code: Problem["code"], subject: string, told: Pick<Problem, "message" | "hint">): Problem {
  return { code, subject, ...told };
}

function once(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((found) => [`${found.code} ${found.subject} ${found.message}`, found])).values()];
}
