import type { Conflict } from "../../domain/conflict.ts";
import { type GateState, OPEN_GATE } from "../../domain/delete-gate.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { Fingerprint } from "../../domain/fingerprint.ts";
import { compareKeys } from "../../domain/object.ts";
import type { ConflictFilter, Route, Safeguards } from "../../ports/state.ts";
import { type Memory, type RouteGate, routeText } from "./rows.ts";

type Position = Pick<Conflict, "detectedAt" | "id">;

export class MemorySafeguards implements Safeguards {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  async gate(route: Route): Promise<GateState> {
    return this.#memory.rows.gates.get(routeText(route))?.gate ?? OPEN_GATE;
  }

  async saveGate(route: Route, gate: GateState): Promise<void> {
    this.#memory.rows.gates.set(routeText(route), { route, gate });
  }

  async gates(): Promise<readonly RouteGate[]> {
    return [...this.#memory.rows.gates.values()].sort((a, b) => compareKeys(routeText(a.route), routeText(b.route)));
  }

  async saveConflict(conflict: Conflict): Promise<void> {
    this.#memory.rows.conflicts.set(conflict.id, conflict);
  }

  async conflict(id: string): Promise<Conflict | undefined> {
    return this.#memory.rows.conflicts.get(id);
  }

  async conflicts(filter: ConflictFilter): Promise<{ readonly conflicts: readonly Conflict[]; readonly nextToken: string | null }> {
    const after = parseToken(filter.nextToken);
    const matching = [...this.#memory.rows.conflicts.values()]
      .filter((conflict) => (filter.rule ?? conflict.rule) === conflict.rule)
      .filter(({ resolvedAt }) => filter.open === undefined || filter.open === (resolvedAt === null))
      .filter((conflict) => after === undefined || newestFirst(conflict, after) > 0)
      .sort(newestFirst);
    const conflicts = matching.slice(0, filter.limit);
    const last = conflicts.at(-1);
    const isLastPage = last === undefined || matching.length <= filter.limit;
    return { conflicts, nextToken: isLastPage ? null : JSON.stringify([last.detectedAt, last.id]) };
  }

  async setPaused(rule: string, paused: boolean): Promise<void> {
    if (paused) this.#memory.rows.pausedRules.set(rule, true);
    else this.#memory.rows.pausedRules.delete(rule);
  }

  async pausedRules(): Promise<readonly string[]> {
    return [...this.#memory.rows.pausedRules.keys()].sort(compareKeys);
  }

  async fingerprint(bucket: string): Promise<Fingerprint | undefined> {
    return this.#memory.rows.fingerprints.get(bucket);
  }

  async saveFingerprint(bucket: string, fingerprint: Fingerprint): Promise<void> {
    this.#memory.rows.fingerprints.set(bucket, fingerprint);
  }
}

function newestFirst(a: Position, b: Position): number {
  return b.detectedAt - a.detectedAt || compareKeys(b.id, a.id);
}

/** @throws `InvalidRequest` for what no page ended with */
function parseToken(token: string | undefined): Position | undefined {
  if (token === undefined) return undefined;
  try {
    const [detectedAt, id]: unknown[] = JSON.parse(token);
    if (typeof detectedAt === "number" && typeof id === "string") return { detectedAt, id };
  } catch {
    // Falls through to the one answer for every kind of nonsense.
  }
  throw new ReplicationError("InvalidRequest", "the token of the next page is not one that a list gave");
}
