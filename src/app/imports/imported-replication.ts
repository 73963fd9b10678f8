import type { ImportedConfig, ImportedRule } from "../../config/imports/imported-config.ts";
import { prefixesMeet } from "../../domain/rule.ts";
import { groupBy } from "../../lib/group-by.ts";
import type { ReplicationDocument, ReplicationRule } from "../../ports/replication-configuration.ts";
import { isLeftover, isMadeUpId } from "../../provisioning/native/leftovers.ts";

/** What one bucket replicates by itself. */
export interface ReplicatedBucket {
  readonly bucket: string;
  readonly region: string;
  readonly document: ReplicationDocument;
}

export interface ImportOptions {
  /** `name` of the config; absent: that of whoever set the rules up, else the first bucket's. */
  readonly name?: string | undefined;
  /** Where a destination is; undefined where nobody may know. */
  readonly regionOf: (bucket: string) => string | undefined;
}

/** One rule of S3 at its source. */
interface Edge {
  readonly source: string;
  readonly destination: string;
  readonly rule: ReplicationRule;
  /** Which rule and destination of a config it was made of, where replicast made it. */
  readonly owned: { readonly rule: string; readonly destination: string } | undefined;
}

type Settings = Readonly<Record<string, unknown>>;

const EXISTING = "existingObjects: false, because what is there was seen to when the rules were made.";
const OWN_ROLE = "apply makes a role for each source; to keep one of your own write iam: { roleArn: … }. Until now it is";
function wholeOf(owner: string): string {
  return `apply removes whatever else "${owner}" has set up and is not below: name all of its sources in one import, or give this config another name.`;
}

const STAND_BESIDE =
  "The rules that stand in the buckets are not this config's: replicast plan shows what apply would set up beside them, and apply --replace has these here take their place, in one step for each bucket.";

/** Says in the words of a replicast.yaml what buckets replicate by themselves. Buckets that replicate to each other are a mesh. */
export function importReplication(buckets: readonly ReplicatedBucket[], options: ImportOptions): ImportedConfig {
  const regions = new Map(buckets.map(({ bucket, region }) => [bucket, region]));
  const spell = (bucket: string) => spelled(bucket, regions.get(bucket) ?? options.regionOf(bucket));
  const found = buckets.flatMap(edgesOf);
  const { kept, notes } = withoutOverlaps(found);
  const meshes = meshesIn(kept);
  const inMesh = new Set(meshes.flat());
  const rest = groupsOf(kept.filter((edge) => !inMesh.has(edge)));
  const ids = new Ids();
  const rules = [...meshes.map((mesh) => meshRule(mesh, ids, spell)), ...rest.map((group) => oneWayRule(group, ids, spell))];
  const unplaced = [...new Set(kept.map(({ destination }) => destination))].filter(
    (bucket) => (regions.get(bucket) ?? options.regionOf(bucket)) === undefined,
  );
  const owner = ownerOf(buckets);
  const name = options.name ?? owner ?? nameOf(buckets[0]?.bucket ?? "");
  return {
    name,
    settings: {},
    rules,
    notes: [
      `Made by replicast import aws of ${buckets.map(({ bucket, region }) => `${bucket}@${region}`).join(", ")}.`,
      ...(found.some(({ owned }) => owned === undefined) ? [STAND_BESIDE, `${OWN_ROLE} ${rolesOf(buckets).join(", ")}`] : []),
      ...(owner !== undefined && owner === name ? [wholeOf(owner)] : []),
      EXISTING,
      ...unplaced.map(
        (bucket) => `Where ${bucket} is may not be known: write its region, ${bucket}@eu-west-1, and its account where it is another's.`,
      ),
      ...notes,
    ],
  };
}

function edgesOf({ bucket, document }: ReplicatedBucket): readonly Edge[] {
  const owner = ownerIn(document);
  return document.rules.map((rule) => {
    const destination = rule.destination.bucketArn.split(":::")[1] ?? "";
    const [, made, to] =
      owner !== undefined && rule.id.startsWith(`${owner}/`) ? (/^([^/]+)\/(.+)$/.exec(rule.id.slice(owner.length + 1)) ?? []) : [];
    return {
      source: bucket,
      destination,
      rule,
      owned: made === undefined || to === undefined ? undefined : { rule: made, destination: to },
    };
  });
}

/** The replicast whose role a document names. */
function ownerIn({ role }: ReplicationDocument): string | undefined {
  return /:role\/replicast\/([a-z0-9-]+)\//.exec(role)?.[1];
}

function ownerOf(buckets: readonly ReplicatedBucket[]): string | undefined {
  return buckets.map(({ document }) => ownerIn(document)).find((owner) => owner !== undefined);
}

function rolesOf(buckets: readonly ReplicatedBucket[]): readonly string[] {
  return [...new Set(buckets.map(({ document }) => document.role))];
}

/** A bucket's name as the name of a config. */
function nameOf(bucket: string): string {
  return (
    bucket
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "") || "replicast"
  );
}

interface Kept {
  readonly kept: readonly Edge[];
  /** What was left out. */
  readonly notes: readonly string[];
}

/** Of several rules for the same keys S3 follows the one of the highest priority, which a config has no words for: the widest is kept. */
function withoutOverlaps(edges: readonly Edge[]): Kept {
  const kept: Edge[] = [];
  const notes: string[] = [];
  for (const edge of edges.toSorted(byWidth)) {
    const other = kept.find((candidate) => isForTheSame(candidate, edge));
    if (other === undefined) kept.push(edge);
    else notes.push(`The rule ${named(edge)} of ${edge.source} is left out: ${whyLeftOut(edge, kept) ?? lossOf(other)}`);
  }
  const order = new Map(edges.map((edge, index) => [edge, index]));
  // Later rules get higher priorities.
  return { kept: kept.toSorted((a, b) => priorityOf(a) - priorityOf(b) || (order.get(a) ?? 0) - (order.get(b) ?? 0)), notes };
}

/** Undefined where it is for objects that none of the others is for. */
function whyLeftOut(edge: Edge, kept: readonly Edge[]): string | undefined {
  const isLost = edge.rule.status === "Enabled";
  const wider = kept.find((other) => isForTheSame(other, edge) && (!isLost || isWider(other.rule, edge.rule)));
  return wider === undefined ? undefined : `${named(wider)} is for the same keys and destination.`;
}

function lossOf(other: Edge): string {
  return `${named(other)} is for some of its keys and the same destination, and a config has one rule for a key. Write a rule that is for both, else apply --replace ends the replication of what it alone was for.`;
}

/** Is true where every object that passes the one passes the other. */
function isWider(a: ReplicationRule, b: ReplicationRule): boolean {
  return b.prefix.startsWith(a.prefix) && Object.entries(a.tags).every(([tag, value]) => b.tags[tag] === value);
}

function byWidth(a: Edge, b: Edge): number {
  const disabled = Number(a.rule.status === "Disabled") - Number(b.rule.status === "Disabled");
  const tags = Object.keys(a.rule.tags).length - Object.keys(b.rule.tags).length;
  return disabled || a.rule.prefix.length - b.rule.prefix.length || tags || priorityOf(b) - priorityOf(a);
}

function isForTheSame(a: Edge, b: Edge): boolean {
  if (a.source !== b.source || a.destination !== b.destination) return false;
  const apart = Object.entries(a.rule.tags).some(([tag, value]) => b.rule.tags[tag] !== undefined && b.rule.tags[tag] !== value);
  return !apart && prefixesMeet(a.rule.prefix, b.rule.prefix);
}

function named({ rule }: Edge): string {
  return `"${rule.id}"${rule.prefix === "" ? "" : ` (${rule.prefix})`}`;
}

function priorityOf({ rule }: Edge): number {
  return rule.priority ?? 0;
}

/** What a rule of a config says of all its destinations alike. */
function commonKey({ rule, owned }: Edge): string {
  const tags = Object.entries(rule.tags).sort();
  return JSON.stringify([rule.prefix, tags, rule.status, rule.deleteMarkerReplication, owned?.rule ?? null]);
}

/** Groups of buckets of which each replicates to every other, and says of each the same. */
function meshesIn(edges: readonly Edge[]): readonly (readonly Edge[])[] {
  const meshes: Edge[][] = [];
  for (const alike of groupBy(edges, commonKey).values()) {
    const between = (from: string, to: string) => alike.find(({ source, destination }) => source === from && destination === to);
    const open = new Set(alike.map(({ source }) => source));
    for (const first of open) {
      const members = [first];
      for (const next of open)
        if (next !== first && members.every((member) => between(member, next) && between(next, member))) members.push(next);
      const mesh = members.flatMap((from) => members.flatMap((to) => between(from, to) ?? []));
      if (members.length < 2 || !isUniform(mesh)) continue;
      for (const member of members) open.delete(member);
      meshes.push(mesh);
    }
  }
  return meshes;
}

/** Whether all that replicate to a member ask the same for its replicas. */
function isUniform(mesh: readonly Edge[]): boolean {
  return [...groupBy(mesh, ({ destination }) => destination).values()].every(
    (edges) => new Set(edges.map(({ rule }) => JSON.stringify(replicaSettings(rule)))).size === 1,
  );
}

/** Destinations of one source that are told the same are one rule. */
function groupsOf(edges: readonly Edge[]): readonly (readonly Edge[])[] {
  return [...groupBy(edges, (edge) => `${edge.source} ${commonKey(edge)}`).values()].flatMap(apart);
}

/** A rule has a destination once. */
function apart(edges: readonly Edge[]): readonly (readonly Edge[])[] {
  const turns = new Map<string, number>();
  const turnOf = ({ destination }: Edge) => {
    const turn = turns.get(destination) ?? 0;
    turns.set(destination, turn + 1);
    return turn;
  };
  return [...groupBy(edges, turnOf).values()];
}

type Spell = (bucket: string) => string;

function meshRule(mesh: readonly Edge[], ids: Ids, spell: Spell): ImportedRule {
  const members = [...new Set(mesh.map(({ source }) => source))];
  const settings = members.map((member) => {
    const into = mesh.find(({ destination }) => destination === member);
    return bucketSettings(spell(member), into === undefined ? {} : replicaSettings(into.rule));
  });
  const silent = mesh.some(({ rule }) => !rule.replicaModifications);
  const notes = silent ? ["Changes of replicas' tags, ACL and lock go back too, which they did not so far everywhere."] : [];
  return ruleOf(mesh, { id: ids.of(mesh, `two-way-${members[0]}`), sides: { mesh: settings }, notes });
}

function oneWayRule(edges: readonly Edge[], ids: Ids, spell: Spell): ImportedRule {
  const source = edges[0]?.source ?? "";
  const destinations = edges.map(({ destination, rule, owned }) => {
    const id = owned === undefined || owned.destination === `aws:${destination}` ? {} : { id: owned.destination };
    return bucketSettings(spell(destination), { ...id, ...replicaSettings(rule) });
  });
  const syncs = edges.filter(({ rule }) => rule.replicaModifications);
  const notes = syncs.map(
    ({ destination }) =>
      `Changes of what others replicated to ${source} went to ${destination} too, which replicast asks of S3 within a mesh alone.`,
  );
  return ruleOf(edges, { id: ids.of(edges, `from-${source}`), sides: { source: spell(source), destinations }, notes });
}

interface RuleParts {
  readonly id: string;
  readonly sides: Settings;
  readonly notes: readonly string[];
}

function ruleOf(edges: readonly Edge[], { id, sides, notes }: RuleParts): ImportedRule {
  const [first] = edges;
  const { prefix = "", tags = {}, status, deleteMarkerReplication } = first?.rule ?? {};
  const filter = { ...(prefix === "" ? {} : { prefix }), ...(Object.keys(tags).length === 0 ? {} : { tags }) };
  return {
    settings: {
      id,
      engine: "native",
      ...(status === "Disabled" ? { enabled: false } : {}),
      ...sides,
      ...(Object.keys(filter).length === 0 ? {} : { filter }),
      ...(deleteMarkerReplication === true ? { deletes: "markers" } : {}),
      existingObjects: false,
    },
    notes: [...foreignNotes(edges), ...notes, ...edges.flatMap(({ rule }) => unsaid(rule))],
  };
}

function foreignNotes(edges: readonly Edge[]): readonly string[] {
  const foreign = edges.filter(({ owned }) => owned === undefined);
  const older = foreign.filter(({ rule }) => rule.priority === null);
  const leftovers = foreign.filter(({ rule }) => isLeftover(rule));
  const list = (some: readonly Edge[]) => some.map(({ source, rule }) => `"${rule.id}" of ${source}`).join(", ");
  return [
    ...(foreign.length === 0 ? [] : [`From ${list(foreign)}.`]),
    ...leftovers.map(
      (edge) => `${list([edge])}: apply removes it without --replace where serverless-s3-replication-plugin made the role of the bucket.`,
    ),
    ...(older.length === 0
      ? []
      : [`Of S3's older schema, beside which apply sets nothing up without --replace or --convert-v1: ${list(older)}.`]),
  ];
}

/** What a rule of S3 asks for that a config has no words for. */
function unsaid({ id, raw, destination }: ReplicationRule): readonly string[] {
  const of = (path: readonly string[]) => path.reduce<unknown>((value, key) => (value as Settings | undefined)?.[key], raw);
  const hasMetrics = of(["Destination", "Metrics", "Status"]) === "Enabled" && !destination.replicationTime;
  return hasMetrics ? [`"${id}" has metrics without replication time control: replicationTime: true has both.`] : [];
}

/** What a rule asks for replicas at its destination. */
function replicaSettings({ destination, kmsEncryptedObjects }: ReplicationRule): Settings {
  const { account, ownerOverride, storageClass, replicaKmsKeyId, replicationTime } = destination;
  const key = replicaKmsKeyId === undefined ? {} : { keyId: replicaKmsKeyId };
  return {
    ...(account === undefined ? {} : { account }),
    ...(ownerOverride ? { owner: "destination" } : {}),
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(kmsEncryptedObjects || replicaKmsKeyId !== undefined ? { encryption: { type: "aws:kms", ...key } } : {}),
    ...(replicationTime ? { replicationTime } : {}),
  };
}

function bucketSettings(bucket: string, settings: Settings): string | Settings {
  return Object.keys(settings).length === 0 ? bucket : { bucket, ...settings };
}

function spelled(bucket: string, region: string | undefined): string {
  return region === undefined ? bucket : `${bucket}@${region}`;
}

/** Ids that people chose are kept, as far as they may be ids; each is given once. */
class Ids {
  readonly #given = new Set<string>();

  of(edges: readonly Edge[], otherwise: string): string {
    const chosen = edges.map(({ owned, rule }) => owned?.rule ?? (isMadeUpId(rule.id) ? "" : plain(rule.id))).find((id) => id !== "");
    const base = chosen ?? plain(otherwise);
    for (let count = 1; ; count++) {
      const id = count === 1 ? base : `${base}-${count}`;
      if (this.#given.has(id)) continue;
      this.#given.add(id);
      return id;
    }
  }
}

function plain(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replaceAll(/^-|-$/g, "");
}
