import type { ReplicationDocument, ReplicationRule } from "../../ports/replication-configuration.ts";
import type { Problem } from "../change.ts";
import { isOwnedId } from "../names.ts";
import { isLeftover } from "./leftovers.ts";
import { isSameRule } from "./same-rule.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html */
export const MAX_RULES = 1000;
const MAX_PRIORITY = 2 ** 31 - 1;

export interface ReplicationMerge {
  /** What the bucket replicates now. */
  readonly found: ReplicationDocument | undefined;
  /** In the order of the config. */
  readonly wanted: readonly ReplicationRule[];
  /** Of the owner. */
  readonly name: string;
  /** ARN of the role that the wanted rules use. */
  readonly role: string;
  /** ARN of the role that the foreign rules had before ours; put back with our last rule. */
  readonly previousRole?: string | undefined;
  /** The `name` that the found role belongs to by its tag; read from the role's path where absent. */
  readonly roleOwner?: string | undefined;
  /** The found role is one that serverless-s3-replication-plugin made. */
  readonly adopts: boolean;
  readonly convertV1: boolean;
  readonly replace: boolean;
  /** Is true for a foreign rule that may lead to another account without saying so. */
  readonly mayLeave?: ((rule: ReplicationRule) => boolean) | undefined;
  /** What problems are about. */
  readonly subject?: string | undefined;
}

export interface MergedReplication {
  /** What the bucket is to replicate; without rules there is to be no document. */
  readonly document: ReplicationDocument;
  /** Ids of owned rules. */
  readonly created: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
  /** Rules of serverless-s3-replication-plugin that ours take the place of. */
  readonly adopted: readonly ReplicationRule[];
  /** Rules of others that stay, as they are in the document. */
  readonly foreign: readonly ReplicationRule[];
  /** Rules of others, as they were, that go from the older schema to the newer one. */
  readonly converted: readonly ReplicationRule[];
  /** Rules of others that go, because they are to be replaced. */
  readonly replaced: readonly ReplicationRule[];
  /** Where there are any the document must not be put. */
  readonly problems: readonly Problem[];
  /** Nothing has to be put. */
  readonly isSame: boolean;
}

/**
 * What a bucket is to replicate once ours stand beside what others set up there: theirs go back as they came, in their places; ours follow the
 * config; priorities do not meet. Merging the result again changes nothing.
 */
export function mergeReplication(input: ReplicationMerge): MergedReplication {
  const parts = partsOf(input);
  const owned = withPriorities(input.wanted, parts);
  const document = documentOf(input, parts, owned);
  const changes = changesOf(owned, parts.owned);
  return {
    document,
    ...changes,
    adopted: parts.adopted,
    foreign: [...parts.foreign.values()],
    converted: parts.converted,
    replaced: parts.replaced,
    problems: problemsOf(input, parts, document),
    isSame: isSameDocument(input.found, document),
  };
}

/** The rules that were found, each in exactly one place; the converted stand among the foreign too. */
interface Parts {
  readonly owned: readonly ReplicationRule[];
  readonly adopted: readonly ReplicationRule[];
  readonly replaced: readonly ReplicationRule[];
  readonly converted: readonly ReplicationRule[];
  /** As found → as it goes back. */
  readonly foreign: ReadonlyMap<ReplicationRule, ReplicationRule>;
}

/** Others' rules are touched only where ours are to stand beside them. */
function partsOf({ found, wanted, name, adopts, convertV1, replace }: ReplicationMerge): Parts {
  const rules = found?.rules ?? [];
  const arrives = wanted.length > 0;
  const owned = rules.filter((rule) => isOwnedId(name, rule.id));
  const others = rules.filter((rule) => !isOwnedId(name, rule.id));
  const adopted = arrives && adopts ? others.filter(isLeftover) : [];
  const rest = others.filter((rule) => !adopted.includes(rule));
  if (arrives && replace) return { owned, adopted, replaced: rest, converted: [], foreign: new Map() };
  const converted = arrives && convertV1 ? rest.filter(isOlder) : [];
  return { owned, adopted, replaced: [], converted, foreign: toNewer(rest, converted) };
}

function isOlder(rule: ReplicationRule): boolean {
  return rule.priority === null;
}

/** The converted mean the same in the newer schema; what S3 gave of them is dropped, because it can no longer go back as it is. */
function toNewer(rules: readonly ReplicationRule[], converted: readonly ReplicationRule[]): Parts["foreign"] {
  const taken = prioritiesOf(rules);
  return new Map(
    rules.map((rule) => {
      if (!converted.includes(rule)) return [rule, rule];
      const { raw: _, ...fields } = rule;
      return [rule, { ...fields, priority: take(taken), deleteMarkerReplication: true }];
    }),
  );
}

/** Ours keep the priority that they have where nobody else has it; the others get free ones above all that there are, in order. */
function withPriorities(wanted: readonly ReplicationRule[], parts: Parts): readonly ReplicationRule[] {
  const taken = prioritiesOf([...parts.foreign.values()]);
  const kept = new Map<string, number>();
  for (const { id } of wanted) {
    const priority = parts.owned.find((rule) => rule.id === id)?.priority ?? null;
    if (priority === null || taken.has(priority)) continue;
    kept.set(id, priority);
    taken.add(priority);
  }
  return wanted.map((rule) => ({ ...rule, priority: kept.get(rule.id) ?? take(taken) }));
}

function prioritiesOf(rules: readonly ReplicationRule[]): Set<number> {
  return new Set(rules.map(({ priority }) => priority).filter((priority) => priority !== null));
}

/** The next above the highest; where there is none, the lowest that is free. */
function take(taken: Set<number>): number {
  const above = Math.max(0, ...taken) + 1;
  const priority = above <= MAX_PRIORITY ? above : lowestFree(taken);
  taken.add(priority);
  return priority;
}

function lowestFree(taken: ReadonlySet<number>): number {
  let priority = 1;
  while (taken.has(priority)) priority++;
  return priority;
}

/** Rules stay where they are, new ones follow at the end; one that is what it should be goes back as S3 gave it. */
function documentOf(input: ReplicationMerge, parts: Parts, wanted: readonly ReplicationRule[]): ReplicationDocument {
  const found = new Map(parts.owned.map((rule) => [rule.id, rule]));
  const ours = new Map(wanted.map((rule) => [rule.id, asFound(rule, found.get(rule.id))]));
  const stay = (input.found?.rules ?? []).flatMap(
    (rule) => parts.foreign.get(rule) ?? (found.has(rule.id) ? (ours.get(rule.id) ?? []) : []),
  );
  const arrive = [...ours.values()].filter((rule) => !found.has(rule.id));
  return { role: roleOf(input, parts), rules: [...stay, ...arrive] };
}

function asFound(rule: ReplicationRule, found: ReplicationRule | undefined): ReplicationRule {
  return found !== undefined && isSameRule(found, rule) ? found : rule;
}

/** The foreign rules' own role comes back when our last rule goes; where nothing of ours was there it is not touched. */
function roleOf({ found, wanted, role, previousRole }: ReplicationMerge, parts: Parts): string {
  if (wanted.length > 0 || found === undefined) return role;
  return parts.owned.length > 0 && parts.foreign.size > 0 ? (previousRole ?? found.role) : found.role;
}

function changesOf(
  owned: readonly ReplicationRule[],
  found: readonly ReplicationRule[],
): Pick<MergedReplication, "created" | "updated" | "deleted"> {
  const before = new Map(found.map((rule) => [rule.id, rule]));
  const after = new Set(owned.map((rule) => rule.id));
  const isChanged = (rule: ReplicationRule) => {
    const old = before.get(rule.id);
    return old !== undefined && !isSameRule(old, rule);
  };
  return {
    created: owned.filter((rule) => !before.has(rule.id)).map((rule) => rule.id),
    updated: owned.filter(isChanged).map((rule) => rule.id),
    deleted: found.filter((rule) => !after.has(rule.id)).map((rule) => rule.id),
  };
}

/** Is true where every rule is the very one that was found, and the role is too. */
function isSameDocument(found: ReplicationDocument | undefined, document: ReplicationDocument): boolean {
  if (found === undefined) return document.rules.length === 0;
  return (
    found.role === document.role &&
    found.rules.length === document.rules.length &&
    found.rules.every((rule, index) => rule === document.rules[index])
  );
}

type Finding = Omit<Problem, "subject">;

/** Where nothing of ours is to arrive nothing is in its way. */
function problemsOf(input: ReplicationMerge, parts: Parts, document: ReplicationDocument): readonly Problem[] {
  if (input.wanted.length === 0) return [];
  const foreign = [...parts.foreign.values()];
  const other = otherOwner(input, foreign);
  const findings = [
    ...(other === undefined ? strandedBy(input, foreign).map((rule) => stranded(rule, input.found?.role ?? "")) : [owned(other)]),
    ...foreign.filter(isOlder).map(older),
    ...(document.rules.length > MAX_RULES ? [tooMany(document.rules.length)] : []),
  ];
  return findings.map((finding) => ({ ...finding, subject: input.subject ?? "" }));
}

function owned(other: string): Finding {
  return {
    code: "OtherOwner",
    message: `it is replicated by "${other}" already`,
    hint: `destroy "${other}" first, or give both configs the same name`,
  };
}

function older({ id }: ReplicationRule): Finding {
  return {
    code: "OlderSchema",
    message: `rule "${id}" is of S3's older replication schema, which stands beside no rule of the newer one`,
    hint: "--convert-v1 says the same in the newer schema; --replace removes it",
  };
}

function stranded({ id, destination }: ReplicationRule, role: string): Finding {
  const { account, bucketArn } = destination;
  const hint = `set iam.roleArn: ${role}; --replace removes the rule`;
  if (account !== undefined) {
    const message = `rule "${id}" replicates into account ${account}, which lets in the role ${role} alone`;
    return { code: "ForeignCrossAccount", message, hint };
  }
  const bucket = bucketArn.slice(bucketArn.lastIndexOf(":") + 1);
  return {
    code: "ForeignCrossAccount",
    message: `rule "${id}" replicates to ${bucket}, which is another account's or may not be looked at: such a bucket lets in the role ${role} alone`,
    hint: `${hint}; where the bucket is of the same account, allow s3:ListBucket on it`,
  };
}

function tooMany(count: number): Finding {
  return {
    code: "TooManyRules",
    message: `it would have ${count} rules, and S3 takes ${MAX_RULES} a bucket`,
    hint: "name fewer destinations",
  };
}

/** The other `name` whose rules would lose their role to ours. */
function otherOwner({ found, name, role, roleOwner }: ReplicationMerge, foreign: readonly ReplicationRule[]): string | undefined {
  if (found === undefined || found.role === role || foreign.length === 0) return undefined;
  const owner = roleOwner ?? ownerByPath(found.role, foreign);
  return owner === name ? undefined : owner;
}

/** Where the role cannot be asked, its path and the rules' ids have to agree. */
function ownerByPath(roleArn: string, foreign: readonly ReplicationRule[]): string | undefined {
  const owner = /:role\/replicast\/([^/]+)\//.exec(roleArn)?.[1];
  return owner !== undefined && foreign.some((rule) => isOwnedId(owner, rule.id)) ? owner : undefined;
}

/** Rules into other accounts whose bucket policies do not know the role that takes the place of theirs. */
function strandedBy(
  { found, role, mayLeave = () => false }: ReplicationMerge,
  foreign: readonly ReplicationRule[],
): readonly ReplicationRule[] {
  if (found === undefined || found.role === role) return [];
  const account = accountOf(role);
  return foreign.filter((rule) => (rule.destination.account === undefined ? mayLeave(rule) : rule.destination.account !== account));
}

function accountOf(roleArn: string): string | undefined {
  return roleArn.split(":")[4];
}
