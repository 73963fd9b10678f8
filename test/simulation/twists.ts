import type { GateLimits } from "../../src/domain/delete-gate.ts";
import type { Destination, Rule } from "../../src/domain/rule.ts";
import type { Chance } from "./chance.ts";
import type { Operation } from "./operations.ts";
import { HOUR, MINUTE } from "./times.ts";
import { LEAF_SHAPES, type Member, type Shape, type Topology } from "./topology.ts";

/** What a run has beside its shape; drawn by names of their own, so that a seed without twists is what it was before there were any. */
export interface Twists {
  /** By the names of destinations. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** Deletes are held, and a person decides on them. */
  readonly deleteGate: GateLimits | undefined;
  /** Lifecycles delete too; whether rules replicate that. */
  readonly expirations: boolean | undefined;
  /** `versions: all`. */
  readonly hasVersions: boolean;
}

export const NO_TWISTS: Twists = { prefixes: new Map(), deleteGate: undefined, expirations: undefined, hasVersions: false };

/** Every other run has some. */
export function drawTwists(chance: Chance, { shape, members, rules }: Topology): Twists {
  if (!chance.hits("any", 0.5)) return NO_TWISTS;
  const gate = { max: chance.pick("max", [0, 1, 2]), percent: 100, windowMs: chance.pick("window", [MINUTE, HOUR]) };
  const targets = new Set(
    rules.flatMap(({ mesh, destinations }) => (mesh === undefined ? destinations : [])).map(({ bucket }) => bucket.id),
  );
  const mayHave = members.filter(({ bucket, name }) => targets.has(bucket.id) && chance.hits(`prefix of ${name}`, 0.6));
  const prefixed = chance.hits("prefixes", 0.4) ? mayHave : [];
  return {
    prefixes: new Map(prefixed.map(({ name }) => [name, prefixOf(name)])),
    deleteGate: chance.hits("gate", 0.4) ? gate : undefined,
    expirations: chance.hits("lifecycles", 0.4) ? chance.hits("expirations", 0.5) : undefined,
    hasVersions: isLeafShape(shape) && chance.hits("versions", 0.6),
  };
}

/** The topology with its twists. Members of a mesh have no prefixes. */
export function twisted(topology: Topology, { prefixes, expirations, hasVersions }: Twists, chance: Chance): Topology {
  const members = hasVersions ? topology.members.map((member) => withVersions(member, topology, chance)) : topology.members;
  const nameOf = ({ bucket }: Destination) => members.find((member) => member.bucket.id === bucket.id)?.name ?? "";
  const destinationsOf = ({ mesh, destinations }: Rule) =>
    mesh === undefined ? destinations.map((destination) => underPrefix(destination, prefixes.get(nameOf(destination)))) : destinations;
  const rules = topology.rules.map((rule): Rule => {
    const versions = hasVersions ? "all" : rule.versions;
    return { ...rule, destinations: destinationsOf(rule), expirations: expirations ?? rule.expirations, versions };
  });
  return { ...topology, members, rules };
}

/** A leaf keeps versions, or no history could be laid there; mostly the source does too. */
function withVersions(member: Member, { written }: Topology, chance: Chance): Member {
  if (written.includes(member.name) && chance.hits(`versions of ${member.name}`, 0.3)) return member;
  return { ...member, versioning: "Enabled" };
}

function underPrefix(destination: Destination, prefix: string | undefined): Destination {
  return prefix === undefined ? destination : { ...destination, prefix, canonicalId: `${destination.bucket.id}/${prefix}` };
}

/** What clients and a person do because of the twists. */
export function twistedOperations(operations: readonly Operation[], { prefixes, ...twists }: Twists, chance: Chance): readonly Operation[] {
  const clients = operations.map((operation, i) => twistedOperation(operation, { prefixes, ...twists }, chance.of(`operation ${i}`)));
  if (twists.deleteGate === undefined) return clients;
  const until = operations.at(-1)?.at ?? 0;
  const words = Array.from({ length: chance.whole("words", [1, 4]) }, (_, i): Operation => {
    const at = chance.whole(`at of word ${i}`, [0, until + 2 * MINUTE]);
    return { at, kind: chance.pick(`word ${i}`, ["approve", "approve", "reject"] as const) };
  });
  return [...clients, ...words].sort((a, b) => a.at - b.at);
}

/** Some deletes are a lifecycle's, and some clients write where a rule writes too. */
function twistedOperation(operation: Operation, { prefixes, expirations }: Twists, chance: Chance): Operation {
  if (!("key" in operation) || !("member" in operation)) return operation;
  const prefix = chance.hits("below prefix", 0.4) ? (prefixes.get(operation.member) ?? "") : "";
  const key = prefix + operation.key;
  const expires = operation.kind === "delete" && expirations !== undefined && chance.hits("expires", 0.5);
  return { ...operation, key, kind: expires ? "expire" : operation.kind };
}

function isLeafShape(shape: Shape): boolean {
  return LEAF_SHAPES.some((leaf) => leaf === shape);
}

/** One that no key of a client begins with. */
function prefixOf(name: string): string {
  return `in-${name.toLowerCase()}/`;
}

/** The key as the client gave it, before any rule put a prefix in front. */
export function clientKey(key: string): string {
  return key.replace(/^(in-[a-z]\/)+/, "");
}

/** Every key that may come to be anywhere: those of clients, with the prefixes that rules put before them, one rule after the other. */
export function keysOf({ members, rules }: Topology, keys: readonly string[]): readonly string[] {
  const all = new Set(keys);
  const prefixes = rules.flatMap(({ destinations }) => destinations.map(({ prefix }) => prefix)).filter((prefix) => prefix !== "");
  for (let i = 1; i < members.length; i++) for (const key of [...all]) for (const prefix of prefixes) all.add(addPrefix(prefix, key));
  return [...all];
}

/** No rule puts its prefix before a key twice. */
function addPrefix(prefix: string, key: string): string {
  return key.startsWith(prefix) ? key : prefix + key;
}
