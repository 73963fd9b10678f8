import { ReplicationError } from "../../domain/error.ts";
import type { ReplicationDocument, ReplicationRule } from "../../ports/replication-configuration.ts";
import type { PlannedChange, Step } from "../change.ts";
import { NAME_TAG, PREVIOUS_ROLE_TAG } from "../names.ts";
import type { NativeBucket, NativePair } from "../native-pair.ts";
import { readBack } from "../patience.ts";
import { visible } from "../seen.ts";
import { LEFTOVER_ROLE_TAG } from "./leftovers.ts";
import { type MergedReplication, mergeReplication } from "./merge-replication.ts";
import type { SourceWorld } from "./read-world.ts";
import { wantedRule } from "./replication-rules.ts";
import type { NativePorts, NativeWish } from "./wish.ts";

export interface RulesPlan {
  readonly merged: MergedReplication;
  /** The role that others' rules had before ours, to be put back one day; undefined where there is none. */
  readonly previousRole: string | undefined;
  /** At most one: the document is replaced as a whole. */
  readonly steps: readonly Step[];
}

/** Brings the rules of one source to what its pairs say, beside whatever others set up there. */
export function planRules(source: SourceWorld, pairs: readonly NativePair[], { wish, roleArn, ports }: Planning): RulesPlan {
  const found = visible(source.document);
  const previousRole = previousRoleOf(source, roleArn);
  const merge = (document: ReplicationDocument | undefined) =>
    mergeReplication({
      found: document,
      wanted: pairs.map((pair) => wantedRule(wish.owner.name, pair)),
      name: wish.owner.name,
      role: roleArn,
      previousRole: isThere(source, previousRole) ? previousRole : undefined,
      roleOwner: (source.formerRole ?? source.foreignRole)?.tags[NAME_TAG],
      adopts: source.foreignRole?.tags[LEFTOVER_ROLE_TAG] !== undefined,
      convertV1: wish.convertV1,
      replace: wish.replace,
      mayLeave: ({ destination }) => source.foreignDestinations.get(destination.bucketArn)?.mayBeElsewhere === true,
      subject: source.bucket.name,
    });
  const merged = merge(found);
  const keepsOthers = merged.foreign.length > 0 || merged.adopted.length > 0;
  const step = {
    changes: changesOf(source.bucket, merged, found),
    make: () => replaceDocument({ bucket: source.bucket, planned: merged, merge, ports }),
  };
  return { merged, previousRole: keepsOthers ? previousRole : undefined, steps: merged.isSame ? [] : [step] };
}

interface Planning {
  readonly wish: NativeWish;
  readonly roleArn: string;
  readonly ports: NativePorts;
}

/** The one that the document names where that is not ours, else what our role remembers. */
function previousRoleOf({ document, role, formerRole }: SourceWorld, roleArn: string): string | undefined {
  const named = visible(document)?.role;
  if (formerRole === undefined && named !== undefined && named !== "" && named !== roleArn) return named;
  const remembered = (formerRole ?? visible(role))?.tags[PREVIOUS_ROLE_TAG];
  return remembered === undefined || remembered === "" ? undefined : remembered;
}

/** A role that nobody has any more cannot be put back; of one that cannot be seen nobody knows that it is gone. */
function isThere({ previousRole, bucket }: SourceWorld, arn: string | undefined): boolean {
  return arn !== undefined && (previousRole?.arn === arn || arn.split(":")[4] !== bucket.account);
}

/**
 * Reads, merges, writes and looks whether it is there: S3 has no way to write on a condition, so that nothing of others is lost but between two
 * calls. Others' rules that nobody planned for are left as they are: their rights come first.
 *
 * @throws `PreconditionFailed` where the document is another than the plan was made for, or does not stay as it was written
 */
async function replaceDocument({ bucket, planned, merge, ports }: Replacing): Promise<void> {
  const configuration = await ports.configurationOf(bucket);
  const before = await configuration.replication();
  const merged = merge(before);
  if (merged.isSame) return;
  if (merged.problems.length > 0 || sayOf(merged.foreign) !== sayOf(planned.foreign)) throw meanwhile(bucket);
  await configuration.putReplication(merged.document);
  // One that reads as before is no sign of somebody else yet: S3 may answer late.
  const after = await readBack(
    () => configuration.replication(),
    (found) => JSON.stringify(found) === JSON.stringify(before),
    ports.clock,
  );
  if (!merge(after).isSame) throw meanwhile(bucket);
}

interface Replacing {
  readonly bucket: NativeBucket;
  readonly planned: MergedReplication;
  readonly merge: (found: ReplicationDocument | undefined) => MergedReplication;
  readonly ports: NativePorts;
}

function sayOf(rules: readonly ReplicationRule[]): string {
  return JSON.stringify(rules);
}

function meanwhile({ name }: NativeBucket): ReplicationError {
  const message = `somebody else writes the replication configuration of ${name} at the same time`;
  return new ReplicationError("PreconditionFailed", message, { hint: "find out who sets up its replication too, and apply again" });
}

function changesOf(bucket: NativeBucket, merged: MergedReplication, found: ReplicationDocument | undefined): readonly PlannedChange[] {
  const after = new Map(merged.document.rules.map((rule) => [rule.id, rule]));
  const before = new Map(found?.rules.map((rule) => [rule.id, rule]));
  const named = (action: PlannedChange["action"], id: string, rule: ReplicationRule | undefined): PlannedChange => ({
    action,
    type: "replication-rule",
    id: `${bucket.name}:${id}`,
    detail: { source: bucket.name, rule: id, ...(rule === undefined ? {} : ruleDetail(rule)) },
  });
  const changes = [
    ...merged.created.map((id) => named("create", id, after.get(id))),
    ...merged.updated.map((id) => named("update", id, after.get(id))),
    ...merged.deleted.map((id) => named("delete", id, before.get(id))),
    ...merged.adopted.map((rule) => named("delete", rule.id, { ...rule })),
    ...merged.converted.map((rule) => named("update", rule.id, after.get(rule.id))),
    ...merged.replaced.map((rule) => named("delete", rule.id, rule)),
  ];
  if (changes.length > 0) return changes;
  // Only the role differs, or the order of things that we do not name.
  const detail = { source: bucket.name, role: merged.document.role };
  return [{ action: "update", type: "replication-rule", id: bucket.name, detail }];
}

function ruleDetail({ destination, ...rule }: ReplicationRule): Readonly<Record<string, unknown>> {
  return {
    destination: destination.bucketArn,
    status: rule.status,
    priority: rule.priority,
    prefix: rule.prefix,
    tags: rule.tags,
    deleteMarkers: rule.deleteMarkerReplication,
    replicaModifications: rule.replicaModifications,
    storageClass: destination.storageClass ?? null,
    replicaKmsKeyId: destination.replicaKmsKeyId ?? null,
    replicationTime: destination.replicationTime,
    ownerOverride: destination.ownerOverride,
  };
}
