import type { Bucket } from "../../src/domain/bucket.ts";
import type { ConflictPolicy } from "../../src/domain/decision.ts";
import type { DeleteMode, Rule } from "../../src/domain/rule.ts";
import { destinationOf, ruleOf } from "../support/rules.ts";
import type { Chance } from "./chance.ts";
import { MINUTE } from "./times.ts";

/** One bucket and the store it is alone in, as far as stores differ. */
export interface Member {
  readonly name: string;
  readonly bucket: Bucket;
  readonly versioning: "Enabled" | "Suspended" | "Unversioned";
  /** Whether `If-Match` and `If-None-Match` are honoured; where not they are ignored. */
  readonly conditions: boolean;
  /** A key that another one lies below is not listed, as on stores that keep objects as files. */
  readonly hides: boolean;
  /** Lists by UTF-16 code units or not in order at all. */
  readonly misorders: boolean;
  /** Its clock against the world's, in milliseconds. */
  readonly skewMs: number;
  /** `queued` events wait for a process that takes them in; others are lost while there is none. */
  readonly events: "queued" | "pushed";
}

export interface Topology {
  readonly shape: Shape;
  readonly members: readonly Member[];
  readonly rules: readonly Rule[];
  /** Names of the members that clients write to. */
  readonly written: readonly string[];
}

/** Where a rule leads: the name of the member, and what is put before keys. */
export interface Target {
  readonly name: string;
  readonly prefix: string;
}

export const LEAF_SHAPES = ["one-way", "fan-out", "fan-in"] as const;
export const INTERIOR_SHAPES = ["chain", "transit", "two-way", "mesh", "hybrid"] as const;
export type Shape = (typeof LEAF_SHAPES)[number] | (typeof INTERIOR_SHAPES)[number];

/** What all rules of a topology have in common. */
interface Terms {
  readonly deletes: DeleteMode;
  readonly conflict: ConflictPolicy;
  readonly expirations: boolean;
}

export function memberOf(name: string, traits: Partial<Member> = {}): Member {
  const alias = name.toLowerCase();
  const bucket: Bucket = { id: `s3://${alias}.example/data`, name: `${alias}:data`, store: alias, bucket: "data" };
  const plain = { versioning: "Unversioned", conditions: true, hides: false, misorders: false, skewMs: 0, events: "queued" } as const;
  return { name, bucket, ...plain, ...traits };
}

/** Draws a topology of one of the shapes. */
export function drawTopology(chance: Chance, shapes: readonly Shape[]): Topology {
  const shape = chance.pick("shape", shapes);
  const members = namesOf(shape).map((name) => drawMember(chance.of(name), name));
  const terms: Terms = {
    deletes: chance.pick("deletes", ["none", "propagate", "propagate", "markers"]),
    conflict: chance.pick("conflict", ["newest", "newest", "priority", "hold"]),
    expirations: false,
  };
  return topologyOf(shape, members, terms);
}

function drawMember(chance: Chance, name: string): Member {
  return memberOf(name, {
    versioning: chance.pick("versioning", ["Enabled", "Suspended", "Unversioned"]),
    conditions: chance.hits("conditions", 0.75),
    hides: chance.hits("hides", 0.1),
    misorders: chance.hits("misorders", 0.05),
    skewMs: chance.hits("skew", 0.3) ? chance.pick("skewMs", [-10 * MINUTE, -1500, 1500, 10 * MINUTE]) : 0,
    events: chance.pick("events", ["queued", "pushed"]),
  });
}

function namesOf(shape: Shape): readonly string[] {
  if (shape === "one-way" || shape === "two-way") return ["A", "B"];
  return shape === "hybrid" ? ["A", "B", "C", "D"] : ["A", "B", "C"];
}

export function topologyOf(shape: Shape, members: readonly Member[], terms: Partial<Terms> = {}): Topology {
  const common = { deletes: "none", conflict: "newest", expirations: false, ...terms } as const;
  return { shape, members, rules: rulesOf(shape, members, common), written: writtenIn(shape) };
}

function writtenIn(shape: Shape): readonly string[] {
  switch (shape) {
    case "one-way":
    case "fan-out":
      return ["A"];
    case "fan-in":
    case "chain":
    case "transit":
    case "two-way":
      return ["A", "B"];
    case "mesh":
    case "hybrid":
      return ["A", "B", "C"];
    default:
      return shape satisfies never;
  }
}

function rulesOf(shape: Shape, members: readonly Member[], terms: Terms): readonly Rule[] {
  const [a, b, c, d] = members as readonly [Member, Member, Member, Member];
  switch (shape) {
    case "one-way":
      return [oneWay("ab", [a, b], terms)];
    case "fan-out":
      return [ruleOf(a.bucket, [destinationOf(b.bucket), destinationOf(c.bucket)], { ...terms, id: "abc" })];
    case "fan-in":
      return [oneWay("ac", [a, c], terms), { ...oneWay("bc", [b, c], terms), filter: { prefix: "b/" } }].map(apart);
    case "chain":
      return [oneWay("ab", [a, b], terms), oneWay("bc", [b, c], terms)];
    case "transit":
      return [oneWay("ab", [a, b], terms), { ...oneWay("bc", [b, c], terms), transit: true }];
    case "two-way":
      return meshOf([a, b], terms);
    case "mesh":
      return meshOf([a, b, c], terms);
    case "hybrid":
      return [...meshOf([a, b, c], terms), oneWay("ad", [a, d], terms)];
    default:
      return shape satisfies never;
  }
}

/** Two sources of one destination that never mean the same key. */
function apart(rule: Rule, index: number): Rule {
  return index === 0 ? { ...rule, filter: { prefix: "a/" } } : rule;
}

function oneWay(id: string, [from, to]: readonly [Member, Member], terms: Terms): Rule {
  return ruleOf(from.bucket, [destinationOf(to.bucket)], { ...terms, id });
}

function meshOf(members: readonly Member[], terms: Terms): readonly Rule[] {
  const mesh = members.map(({ bucket }) => bucket.id);
  return members.map(({ bucket }) => {
    const others = members.filter((other) => other.bucket !== bucket).map((other) => destinationOf(other.bucket));
    return ruleOf(bucket, others, { ...terms, id: "mesh", mesh });
  });
}

/** The topology in one line, for who reads a trace. */
export function describeTopology({ shape, members, rules }: Topology): string {
  const [rule] = rules;
  const prefixes = rules.flatMap(({ destinations }) => destinations.map(({ prefix }) => prefix)).filter((prefix) => prefix !== "");
  const odd = [
    prefixes.length === 0 ? "" : ` prefixes=${prefixes}`,
    rule?.expirations ? " expirations" : "",
    rule?.versions === "all" ? " versions=all" : "",
  ];
  const traits = members.map((member) => {
    const odd = [
      member.versioning.toLowerCase(),
      member.conditions ? "" : "no-conditions",
      member.hides ? "hides" : "",
      member.misorders ? "misorders" : "",
      member.skewMs === 0 ? "" : `skew=${member.skewMs / 1000}s`,
      member.events,
    ];
    return `${member.name}(${odd.filter((trait) => trait !== "").join(" ")})`;
  });
  return `${shape} deletes=${rule?.deletes} conflict=${rule?.conflict}${odd.join("")} ${traits.join(" ")}`;
}

/** Keys that clients use: few, so that they meet; one below another, for stores that hide; in every shape's filters. */
export const KEYS: readonly string[] = ["a/k", "a/k/l", "b/k", "a/é"];
