import type { Shape } from "./topology.ts";

export interface FoundSeed {
  readonly seed: number;
  /** @defaultValue drawn too */
  readonly shape?: Shape | undefined;
  /** With prefixes, a gate, lifecycles or `versions: all`, which came later: without it the seed draws what it did before. */
  readonly twisted?: boolean | undefined;
  /** With failures that are tried again and ledgers that are put together, which came later still. */
  readonly repaired?: boolean | undefined;
  /** What was wrong. */
  readonly found: string;
}

/** Seeds that found a bug once, and stay. */
export const FOUND_SEEDS: readonly FoundSeed[] = [
  { seed: 7, shape: "one-way", found: "a comparison replaced a failed delete's row by SourceGone" },
  { seed: 14, shape: "one-way", found: "a delete that failed in an outage was forgotten by the next comparison" },
  { seed: 24, shape: "one-way", found: "a delete was forgotten because its key was compared" },
  { seed: 7, shape: "fan-out", found: "a comparison replaced failed deletes' rows by SourceGone" },
  { seed: 70, shape: "fan-in", found: "an old ledger's tombstone was believed over the object that is there" },
  { seed: 73, shape: "fan-in", found: "a key that its source hides from listings was copied again by every comparison" },
  { seed: 7, shape: "chain", found: "a source that became a replica between decision and copy went on to the next bucket" },
  { seed: 78, shape: "transit", found: "the event of our own write was dropped where a transit rule needed it" },
  { seed: 8, shape: "hybrid", found: "a ledger that was lost made originals of equal replicas" },
  { seed: 23, shape: "two-way", found: "a delete right after its object's copy was not understood" },
  { seed: 129, shape: "mesh", found: "a look between a delete and its event made the delete unknown" },
  {
    seed: 27,
    shape: "two-way",
    found: "a delete that waited for a dead worker's lease was undone by the opposite direction",
  },
  { seed: 14, shape: "mesh", found: "a delete that waited was undone by a third member" },
  { seed: 28, shape: "mesh", found: "a delete of a copy that was not recorded yet was no delete" },
  { seed: 192, shape: "mesh", found: "a holding was stored over an open intent, and the next write lost by the clock" },
  { seed: 2206, shape: "two-way", found: "our own delete was taken for a client's and went on to delete another's write" },
  {
    seed: 1,
    shape: "hybrid",
    found: "a change of tags stored a holding over an open intent, which made an original of a replica",
  },
  { seed: 18, shape: "hybrid", found: "a conflict's loser came to a leaf that it was not meant for" },
  {
    seed: 1040,
    shape: "hybrid",
    found: "a mended delete was stored over an open intent, which made an original of a replica",
  },
  { seed: 973, shape: "two-way", found: "an intent that expired unheard was written over a client's delete marker" },
  { seed: 696, shape: "hybrid", found: "a delete won over the restore that had undone it" },
  { seed: 898, shape: "two-way", found: "a write over a copy that was not recorded lost against that copy" },
  { seed: 1283, shape: "fan-in", found: "a worker slept for ever when a destination's pause ended while it claimed" },
  { seed: 1067, shape: "hybrid", found: "two directions that each believed the other to be ahead called each other for ever" },
  { seed: 1378, shape: "two-way", found: "a client's delete was taken for one of ours that had been announced to another process" },
  { seed: 731, shape: "mesh", found: "a client's delete was excused by a delete of ours from hours before" },
  {
    seed: 1308,
    shape: "mesh",
    found: "the event of our own delete kept its outcome from being stored, and the next write there was deleted",
  },
  {
    seed: 1373,
    shape: "fan-out",
    found: "a version that was removed brought an older one back, and nobody looked where deletes are not replicated",
  },
  { seed: 1237, shape: "mesh", found: "a write over a versioned copy that was not recorded lost against that copy" },
  { seed: 2004, shape: "two-way", found: "a delete was noted behind the look at it, and explained a later absence" },
  { seed: 1, shape: "chain", found: "tags of a one-way source lost against the replica's by their digest" },
  { seed: 547, shape: "two-way", found: "an older version was taken for a copy that had not landed yet" },
  { seed: 6691, found: "a worker slept for ever over a task that became due while it claimed" },
  { seed: 7627, found: "a delete marker was written over without a condition, and so was what a client had put over it" },
  { seed: 9660, found: "a worker that looked twice believed the older answer, and slept for ever" },
  { seed: 3790, found: "a comparison wrote its older row over that of a copy which had ended meanwhile" },
  { seed: 9802, found: "a delete from before an object was written explained its loss with the bucket" },
  { seed: 8393, found: "a paused worker looked up what to delete after another had replicated the next object" },
  { seed: 79, twisted: true, found: "the marker of a lifecycle's delete was replicated with the history it stands in" },
  { seed: 902, twisted: true, found: "a key that its source hides was taken for gone, and with `versions: all` never replicated" },
  { seed: 1668, twisted: true, found: "a paused worker laid an older version on the newer one of another worker" },
  { seed: 2035, twisted: true, found: "what another worker had recorded was taken for somebody else's" },
  { seed: 10037, twisted: true, found: "a delete that a person had rejected came by way of another member" },
  {
    seed: 10329,
    twisted: true,
    found: "two directions with nothing at either end believed each the other to be ahead, and called each other for ever",
  },
  {
    seed: 17872,
    twisted: true,
    found: "a version that a dead worker had copied was recorded without the tags that had changed since",
  },
  {
    seed: 1798,
    twisted: true,
    repaired: true,
    found: "a delete whose retries ran out before anybody could read its source was forgotten",
  },
  {
    seed: 6334,
    twisted: true,
    repaired: true,
    found: "a lifecycle's delete whose retries ran out was taken for a client's by the next comparison",
  },
  {
    seed: 8034,
    twisted: true,
    repaired: true,
    found: "a delete that had failed was forgotten over the late event of a write before it",
  },
  { seed: 1688, twisted: true, repaired: true, found: "a person was asked for ever about an object that had gone at both sides" },
];
