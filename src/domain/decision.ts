import type { HistoryOrder } from "./history.ts";
import { type Content, compareContents, compareForNewest, compareForPriority, type HeldObject, isSameContent } from "./holding.ts";
import { isSameAcl, type ObjectAcl } from "./object.ts";

/** One side of a decision. `absent`: nothing is there and nothing tells that it was deleted. */
export type Side =
  | { readonly kind: "object"; readonly object: HeldObject; readonly content: Content }
  | { readonly kind: "deleted"; readonly content: Content }
  | { readonly kind: "absent" };

export type ConflictPolicy = "newest" | "priority" | "hold";

type ObjectSide = Side & { readonly kind: "object" };

export interface DecisionInput {
  readonly source: Side;
  readonly destination: Side;
  readonly sourceBucket: string;
  readonly policy: ConflictPolicy;
  /** Canonical ids of the members in the order of the config's list: both buckets, where the rule is no mesh. */
  readonly members: readonly string[];
  /** Nothing of the rule goes the other way: then of tags that nobody is known to have changed the source's are right. */
  readonly isOneWay?: boolean | undefined;
  /** ACLs travel too, as far as they were read. */
  readonly carriesAcls?: boolean | undefined;
  /** A lifecycle's delete stays where it was made: it wins over nothing, and gives way to whatever was written beside it. */
  readonly ignoresExpirations?: boolean | undefined;
  /** Is false where a side's history was made up because nothing is known of it: then a difference is nobody's fault, and held. */
  readonly known: boolean;
}

export type Decision =
  | { readonly do: "nothing"; readonly because: "equal" | "nothing-there" | "destination-newer" }
  /** Both hold the same bytes by different ways: note it, move nothing. */
  | { readonly do: "adopt" }
  | { readonly do: "copy" | "delete"; readonly conflict: boolean }
  /** Same bytes, other tags or another ACL. */
  | { readonly do: "retag" }
  /** The other direction's work: what is there came later, or won. */
  | { readonly do: "yield"; readonly conflict: boolean }
  | { readonly do: "hold" };

/**
 * The three-way merge: what to do to the destination, given what both sides hold and what they descend from (invariants 2, 5, 11). Where one
 * side descends from the other no clock is asked. Pure.
 */
export function decide(input: DecisionInput): Decision {
  const { source, destination } = input;
  if (source.kind === "absent") return { do: "nothing", because: destination.kind === "absent" ? "nothing-there" : "destination-newer" };
  if (destination.kind === "absent")
    return source.kind === "object" ? { do: "copy", conflict: false } : { do: "nothing", because: "equal" };
  if (source.kind === "deleted" && destination.kind === "deleted") return { do: "adopt" };
  const order = compareContents(source.content, destination.content);
  if (source.kind === "object" && destination.kind === "object") {
    const same = haveSameBytes(source.object, destination.object) || isSameContent(source.content, destination.content);
    if (same) return sameBytes(input, { source, destination, order });
  }
  if (order === "newer") return apply(source, false);
  if (order === "older") return { do: "yield", conflict: false };
  if (input.ignoresExpirations === true && isExpiration(source) !== isExpiration(destination)) {
    return isExpiration(source) ? { do: "yield", conflict: false } : apply(source, false);
  }
  return order === "equal" ? tied(input, source, destination) : contested(input, source, destination);
}

type Known = Exclude<Side, { kind: "absent" }>;

function apply(source: Known, conflict: boolean): Decision {
  return { do: source.kind === "object" ? "copy" : "delete", conflict };
}

function haveSameBytes(a: HeldObject, b: HeldObject): boolean {
  return a.etag === b.etag && a.sizeBytes === b.sizeBytes;
}

interface Alike {
  readonly source: ObjectSide;
  readonly destination: ObjectSide;
  readonly order: HistoryOrder;
}

function sameBytes({ isOneWay = false, carriesAcls = false }: DecisionInput, { source, destination, order }: Alike): Decision {
  const [there, here] = [source.object, destination.object];
  const isUnseen = there.tagsHash === null || here.tagsHash === null;
  // Written again at the source: with other headers or tags perhaps. A store that drops a header makes replicas differ for ever, which alone
  // is no reason to copy the same bytes again.
  const mayDiffer = isUnseen || differ(there.attributesHash, here.attributesHash);
  if (mayDiffer && order === "newer") return { do: "copy", conflict: false };
  if (mayDiffer && order === "older") return { do: "yield", conflict: false };
  const isOtherAcl = carriesAcls && there.acl !== undefined && here.acl !== undefined && !isSameAcl(there.acl, here.acl);
  if (!differ(there.tagsHash, here.tagsHash) && !isOtherAcl)
    return order === "equal" ? { do: "nothing", because: "equal" } : { do: "adopt" };
  return isLaterTagged(source, destination, isOneWay) ? { do: "retag" } : { do: "yield", conflict: false };
}

/**
 * Tags and ACLs have no date: of two sets changed equally often the greater digest stays, of two ACLs the stricter, on every machine the same.
 */
function isLaterTagged(source: ObjectSide, destination: ObjectSide, isOneWay: boolean): boolean {
  const changes = (source.content.retagged ?? 0) - (destination.content.retagged ?? 0);
  if (changes !== 0 || isOneWay) return changes >= 0;
  const [there, here] = [source.object, destination.object];
  if (differ(there.tagsHash, here.tagsHash)) return (there.tagsHash ?? "") > (here.tagsHash ?? "");
  return strictnessOf(there) > strictnessOf(here);
}

/** From the loosest on. Grants that have no name cannot be given to anyone else, and are never lost to a guess. */
const BY_STRICTNESS: readonly (ObjectAcl | undefined)[] = [
  ...["public-read-write", "public-read", "authenticated-read"],
  ...["bucket-owner-full-control", "private", "other"],
] as const;

function strictnessOf({ acl }: HeldObject): number {
  return BY_STRICTNESS.indexOf(acl);
}

/** What was not read does not differ. */
function differ(a: string | null, b: string | null): boolean {
  return a !== null && b !== null && a !== b;
}

function isExpiration(side: Known): boolean {
  return side.kind === "deleted" && side.content.isExpiration === true;
}

/** Equal histories of unequal contents: two writes of one second at one bucket, told apart by what is at its origin. */
function tied(input: DecisionInput, source: Known, destination: Known): Decision {
  const fromHere = source.content.origin === input.sourceBucket;
  const alsoFromHere = destination.content.origin === input.sourceBucket;
  if (fromHere && alsoFromHere) return apply(source, false);
  return contested(input, source, destination);
}

function contested(input: DecisionInput, source: Known, destination: Known): Decision {
  if (!input.known || input.policy === "hold") return { do: "hold" };
  const byRank = input.policy === "priority" ? compareForPriority(source.content, destination.content, input.members) : 0;
  const rank = byRank || compareForNewest(source.content, destination.content, input.members);
  if (rank === 0) return { do: "hold" };
  return rank > 0 ? apply(source, true) : { do: "yield", conflict: true };
}
