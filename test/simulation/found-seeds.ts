import type { Shape } from "./topology.ts";

/** Seeds that found a bug once, and stay. */
export const FOUND_SEEDS: readonly { readonly seed: number; readonly shape: Shape; readonly found: string }[] = [
  { seed: 7, shape: "one-way", found: "a comparison replaced a failed delete's row by SourceGone" },
  { seed: 24, shape: "one-way", found: "a delete was called done because a row spoke of an older one" },
  { seed: 70, shape: "fan-in", found: "an old ledger's tombstone was believed over the object that is there" },
  { seed: 73, shape: "fan-in", found: "a key that its source hides from listings was copied again by every comparison" },
  { seed: 7, shape: "chain", found: "a source that became a replica between decision and copy went on to the next bucket" },
  { seed: 78, shape: "transit", found: "the event of our own write was dropped where a transit rule needed it" },
  { seed: 8, shape: "hybrid", found: "a ledger that was lost made originals of equal replicas" },
  { seed: 23, shape: "two-way", found: "a look between a delete and its event made the delete unknown" },
  { seed: 27, shape: "two-way", found: "a delete that waited for a dead worker's lease was undone by the opposite direction" },
  { seed: 14, shape: "mesh", found: "a delete that waited was undone by a third member" },
  { seed: 28, shape: "mesh", found: "a delete of a copy that was not recorded yet was no delete" },
  { seed: 192, shape: "mesh", found: "a holding was stored over an open intent, and the next write lost by the clock" },
];
