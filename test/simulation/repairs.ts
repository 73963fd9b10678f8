import type { Chance } from "./chance.ts";
import type { Operation } from "./operations.ts";
import { HOUR, MINUTE, SECOND } from "./times.ts";
import type { Topology } from "./topology.ts";

/**
 * What a person does who mends: has failures tried again, puts the ledger together anew, in time or for no reason; and what makes that
 * necessary. Drawn by names of its own, as twists are. Two of five runs have some.
 */
export function withRepairs(operations: readonly Operation[], topology: Topology, chance: Chance): readonly Operation[] {
  if (!chance.hits("any", 0.4)) return operations;
  const until = (operations.at(-1)?.at ?? 0) + 2 * MINUTE;
  const repairs = [
    ...(chance.hits("failures", 0.5) ? drawRedrives(chance.of("failures"), topology, until) : []),
    ...(chance.hits("ledger", 0.6) ? drawRebuild(chance.of("ledger"), until) : []),
  ];
  return [...operations, ...repairs].sort((a, b) => a.at - b.at);
}

/** An outage long enough for retries to run out, and somebody who does not wait for the next comparison. */
function drawRedrives(chance: Chance, { members }: Topology, until: number): readonly Operation[] {
  const at = chance.whole("outage", [0, until]);
  const forMs = chance.pick("forMs", [10 * MINUTE, HOUR, 3 * HOUR]);
  const outage: Operation = { at, kind: "outage", member: chance.pick("member", members).name, forMs };
  const words = Array.from({ length: chance.whole("words", [1, 3]) }, (_, i): Operation => {
    const scope = chance.pick(`scope ${i}`, ["one", "rule", "all"] as const);
    return { at: chance.whole(`word ${i}`, [at, at + forMs + HOUR]), kind: "redrive", scope };
  });
  return [outage, ...words];
}

function drawRebuild(chance: Chance, until: number): readonly Operation[] {
  const at = chance.whole("at", [0, until]);
  const rebuild: Operation = { at: at + chance.pick("after", [SECOND, MINUTE, HOUR]), kind: "rebuild-ledger" };
  switch (chance.pick("why", ["lost", "old", "nothing"] as const)) {
    case "lost":
      return [{ at, kind: "lose-ledger" }, rebuild];
    case "old":
      return [{ at: Math.floor(at * chance.draw("kept")), kind: "keep-ledger" }, { at, kind: "restore-ledger" }, rebuild];
    case "nothing":
      return [rebuild];
  }
}
