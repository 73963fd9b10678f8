import type { Operation } from "../../../domain/status.ts";
import type { Changes } from "../../../ports/state.ts";

/** What made a task wanted, as a bit each. The numbers stand in files and never change. */
const BITS = { deleted: 1, expired: 2, attributes: 4, written: 8, approved: 16, missed: 32 } as const satisfies Readonly<
  Record<keyof Changes, number>
>;
const NAMES = Object.keys(BITS) as (keyof Changes)[];

/** All that there are, by their bits: tasks are many, and these are few. */
const ALL: readonly Changes[] = Array.from({ length: 2 ** NAMES.length }, (_, bits) => {
  return Object.freeze(Object.fromEntries(NAMES.filter((name) => (bits & BITS[name]) !== 0).map((name) => [name, true])));
});

/** Where nothing is said, an object was written. */
export function toChangeBits(changes: Changes | undefined): number {
  if (changes === undefined) return BITS.written;
  return NAMES.reduce((bits, name) => (changes[name] === true ? bits | BITS[name] : bits), 0) || BITS.written;
}

export function fromChangeBits(bits: number): Changes {
  return ALL[bits] as Changes;
}

/** `deletedAt`: null where nobody knows. */
export type ToldChanges = readonly [changes: number, deletedAt: number | null];

/** All that either tells. Of two deletes the later is told of; where nobody knows which that is, it is a lifecycle's only if both were. */
export function coalesced(a: ToldChanges, b: ToldChanges): ToldChanges {
  const all = a[0] | b[0];
  if ((a[0] & b[0] & BITS.deleted) === 0) return [all, (a[0] & BITS.deleted) === 0 ? b[1] : a[1]];
  const [at, other] = [a[1], b[1]];
  const expired = at === null || other === null || at === other ? a[0] & b[0] : (at > other ? a : b)[0];
  return [(all & ~BITS.expired) | (expired & BITS.expired), at === null || other === null ? null : Math.max(at, other)];
}

/** What is to be done as far as the announcements tell; what is done follows from the source as it is read. */
export function operationOf(bits: number): Operation {
  if ((bits & BITS.written) !== 0) return "copy";
  if ((bits & BITS.deleted) !== 0) return "delete";
  return (bits & BITS.attributes) !== 0 ? "attributes" : "copy";
}
