import type { Operation } from "../../../domain/status.ts";
import type { Changes } from "../../../ports/state.ts";

/** What made a task wanted, as a bit each: wishes that coalesce are OR-ed. The numbers stand in files and never change. */
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

/** What is to be done as far as the announcements tell; what is done follows from the source as it is read. */
export function operationOf(bits: number): Operation {
  if ((bits & BITS.written) !== 0) return "copy";
  if ((bits & BITS.deleted) !== 0) return "delete";
  return (bits & BITS.attributes) !== 0 ? "attributes" : "copy";
}
