import type { Chance } from "./chance.ts";
import { HOUR, SECOND } from "./times.ts";
import { KEYS, type Topology } from "./topology.ts";

/** What clients and misfortune do to the world, each at a time of its own; milliseconds since the run's start. */
export type Operation = { readonly at: number } & (
  | { readonly kind: ClientAct; readonly member: string; readonly key: string }
  /** The same key written at several members at once. */
  | { readonly kind: "burst"; readonly key: string; readonly members: readonly string[] }
  | { readonly kind: "empty" | "recreate"; readonly member: string }
  | { readonly kind: "outage"; readonly member: string; readonly forMs: number }
  | { readonly kind: "lose-ledger" | "keep-ledger" | "restore-ledger" }
  /** A person decides on all deletes that are held. */
  | { readonly kind: "approve" | "reject" }
  /** A person has failures tried again: the first, those of its rule, or all. */
  | { readonly kind: "redrive"; readonly scope: "one" | "rule" | "all" }
  /** A person stops everything and has the ledger put together again. */
  | { readonly kind: "rebuild-ledger" }
);

/** `expire`: by a lifecycle. */
export type ClientAct = "put" | "rewrite" | "delete" | "expire" | "delete-version" | "tag";

/** Draws what happens in a run: mostly clients on few keys, close together or far apart. */
export function drawOperations(chance: Chance, topology: Topology): readonly Operation[] {
  const count = chance.whole("count", [3, 14]);
  const tempo = chance.pick("tempo", [300, 5 * SECOND, 2 * 60 * SECOND, HOUR]);
  const keys = KEYS.slice(0, chance.whole("keys", [1, KEYS.length]));
  const operations: Operation[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const own = chance.of(`operation ${i}`);
    at += own.whole("pause", [0, tempo]);
    operations.push({ at, ...drawOperation(own, topology, keys) });
  }
  const misfortune = chance.of("misfortune");
  if (misfortune.hits("any", 0.25)) operations.push(...drawMisfortune(misfortune, topology, at));
  return operations.sort((a, b) => a.at - b.at);
}

type Undated<T> = T extends unknown ? Omit<T, "at"> : never;

function drawOperation(chance: Chance, topology: Topology, keys: readonly string[]): Undated<Operation> {
  const key = chance.pick("key", keys);
  const member = chance.pick("member", topology.written);
  const kind = chance.pick("kind", ["put", "put", "put", "put", "rewrite", "delete", "delete", "delete-version", "tag", "burst"] as const);
  return kind === "burst" ? { kind, key, members: topology.written } : { kind, key, member };
}

function drawMisfortune(chance: Chance, topology: Topology, until: number): readonly Operation[] {
  const at = chance.whole("at", [0, until + 60 * SECOND]);
  const member = chance.pick("member", topology.members).name;
  const kind = chance.pick("kind", ["lose-ledger", "restore-ledger", "empty", "recreate", "outage"] as const);
  if (kind === "outage") return [{ at, kind, member, forMs: chance.pick("forMs", [5 * SECOND, 10 * 60 * SECOND, 3 * HOUR]) }];
  if (kind === "restore-ledger")
    return [
      { at: Math.floor(at * chance.draw("kept")), kind: "keep-ledger" },
      { at, kind },
    ];
  return kind === "lose-ledger" ? [{ at, kind }] : [{ at, kind, member }];
}

export function describeOperation(operation: Operation): string {
  const { at, kind, ...rest } = operation;
  return `+${(at / SECOND).toFixed(3)}s ${kind} ${Object.values(rest).flat().join(" ")}`.trim();
}
