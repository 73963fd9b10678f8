import type { Shape } from "./topology.ts";

export interface FoundSeed {
  readonly seed: number;
  readonly shape: Shape;
  /** What was wrong. */
  readonly found: string;
  /** Not mended yet. */
  readonly isOpen: boolean;
}

/** Seeds that found a bug once, and stay. */
export const FOUND_SEEDS: readonly FoundSeed[] = [
  { seed: 7, shape: "one-way", found: "a comparison replaced a failed delete's row by SourceGone", isOpen: true },
  { seed: 14, shape: "one-way", found: "a delete that failed in an outage was forgotten by the next comparison", isOpen: true },
  { seed: 24, shape: "one-way", found: "a delete was forgotten because its key was compared", isOpen: true },
  { seed: 7, shape: "fan-out", found: "a comparison replaced failed deletes' rows by SourceGone", isOpen: true },
  { seed: 70, shape: "fan-in", found: "an old ledger's tombstone was believed over the object that is there", isOpen: true },
  { seed: 73, shape: "fan-in", found: "a key that its source hides from listings was copied again by every comparison", isOpen: true },
  { seed: 7, shape: "chain", found: "a source that became a replica between decision and copy went on to the next bucket", isOpen: true },
  { seed: 78, shape: "transit", found: "the event of our own write was dropped where a transit rule needed it", isOpen: true },
  { seed: 8, shape: "hybrid", found: "a ledger that was lost made originals of equal replicas", isOpen: true },
  { seed: 23, shape: "two-way", found: "a delete right after its object's copy was not understood", isOpen: false },
  { seed: 129, shape: "mesh", found: "a look between a delete and its event made the delete unknown", isOpen: true },
  {
    seed: 27,
    shape: "two-way",
    found: "a delete that waited for a dead worker's lease was undone by the opposite direction",
    isOpen: true,
  },
  { seed: 14, shape: "mesh", found: "a delete that waited was undone by a third member", isOpen: true },
  { seed: 28, shape: "mesh", found: "a delete of a copy that was not recorded yet was no delete", isOpen: true },
  { seed: 192, shape: "mesh", found: "a holding was stored over an open intent, and the next write lost by the clock", isOpen: true },
  { seed: 2206, shape: "two-way", found: "our own delete was taken for a client's and went on to delete another's write", isOpen: true },
  {
    seed: 1,
    shape: "hybrid",
    found: "a change of tags stored a holding over an open intent, which made an original of a replica",
    isOpen: true,
  },
  { seed: 18, shape: "hybrid", found: "a conflict's loser came to a leaf that it was not meant for", isOpen: true },
  {
    seed: 1040,
    shape: "hybrid",
    found: "a mended delete was stored over an open intent, which made an original of a replica",
    isOpen: true,
  },
  { seed: 973, shape: "two-way", found: "an intent that expired unheard was written over a client's delete marker", isOpen: true },
  { seed: 696, shape: "hybrid", found: "a delete won over the restore that had undone it", isOpen: true },
  { seed: 898, shape: "two-way", found: "a write over a copy that was not recorded lost against that copy", isOpen: true },
];
