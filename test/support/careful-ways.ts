import { CarefulWays, type CarefulWaysOptions } from "../../src/data-plane/careful-ways.ts";
import { OwnWrites } from "../../src/data-plane/interior/own-writes.ts";

/** The careful ways over the given parts; a gate that no test meets by chance, ids that tell their order. */
export function carefulWaysOver(
  parts: Omit<CarefulWaysOptions, "ownWrites" | "deleteGate" | "newId"> & Partial<CarefulWaysOptions>,
): CarefulWays {
  let last = 0;
  const defaults = {
    ownWrites: new OwnWrites(parts.clock),
    deleteGate: { max: 1_000, percent: 100, windowMs: 600_000 },
    newId: () => `intent-${++last}`,
  };
  return new CarefulWays({ ...defaults, ...parts });
}
