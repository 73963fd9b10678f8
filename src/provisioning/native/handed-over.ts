import type { ReplicationRule } from "../../ports/replication-configuration.ts";
import { bucketArn } from "../native-pair.ts";
import { isForbidden, visible } from "../seen.ts";
import { reaches } from "./plan-policies.ts";
import { isReachable } from "./preflight.ts";
import type { SourceWorld, World } from "./read-world.ts";

/** Rules of one source that go. */
export interface GoneRules {
  readonly source: SourceWorld;
  readonly rules: readonly ReplicationRule[];
}

/** Says of which policies of other accounts our statements stay when rules go: what their admins have set nobody else can take away. */
export function handedOverNotes(gone: readonly GoneRules[], world: World): readonly string[] {
  const notes = gone.flatMap(({ source, rules }) =>
    rules.flatMap((rule) => [...bucketNotes(source, rule, world), ...keyNotes(source, rule, world)]),
  );
  return [...new Set(notes)];
}

function bucketNotes({ bucket: source }: SourceWorld, { destination }: ReplicationRule, { buckets }: World): readonly string[] {
  const world = [...buckets.values()].find(({ wished }) => bucketArn(wished.bucket) === destination.bucketArn);
  if (world === undefined || world.wished.bucket.account === source.account) return [];
  if (isReachable(world) && !isForbidden(world.policy)) return [];
  const { account, bucket } = world.wished.bucket;
  return [note(account, `the bucket policy of ${bucket}`)];
}

function keyNotes({ bucket: source, rememberedKeys }: SourceWorld, { destination }: ReplicationRule, world: World): readonly string[] {
  const { replicaKmsKeyId: arn = "" } = destination;
  const account = arn.split(":")[4] ?? "";
  if (account === "" || account === source.account) return [];
  const isAtHand = rememberedKeys.some(([bucket, key]) => visible(key.key)?.arn === arn && reaches(key, bucket, world));
  return isAtHand ? [] : [note(account, `the policy of the key ${arn}`)];
}

function note(account: string, what: string): string {
  return `what was handed over to account ${account} for ${what} stays there: its admin may remove the statements whose Sid begins with Replicast`;
}
