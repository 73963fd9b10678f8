/** How many deletes may pass to one destination in a while before a person has to look. */
export interface GateLimits {
  readonly max: number;
  /** Of what the destination held at its last complete listing, of which at least {@link PERCENT_FLOOR} may pass. */
  readonly percent: number;
  readonly windowMs: number;
}

/** Of a small destination a few deletes are many percent. */
export const PERCENT_FLOOR = 20;
/** The window slides in so many steps. */
const STEPS = 60;

/** What one destination of one rule has let pass. */
export interface GateState {
  /** When it shut, in milliseconds since the epoch; null while it is open. It stays shut until a person acts. */
  readonly shutAt: number | null;
  /** Deletes that passed, by the beginning of the step they passed in. */
  readonly passed: readonly (readonly [at: number, deletes: number])[];
  /** Objects at the destination's last complete listing; null where none was made yet. */
  readonly population: number | null;
}

export const OPEN_GATE: GateState = { shutAt: null, passed: [], population: null };

/** Asks for one delete more; where that is too many the gate shuts. */
export function passGate(gate: GateState, limits: GateLimits, now: number): { readonly passes: boolean; readonly gate: GateState } {
  if (gate.shutAt !== null) return { passes: false, gate };
  const passed = gate.passed.filter(([at]) => at + stepOf(limits) > now - limits.windowMs);
  const recent = passed.reduce((sum, [, deletes]) => sum + deletes, 0);
  if (recent + 1 > allowed(gate.population, limits)) return { passes: false, gate: { ...gate, passed, shutAt: now } };
  return { passes: true, gate: { ...gate, passed: counted(passed, now, stepOf(limits)) } };
}

/** The gate after a person has looked: open, with nothing counted. */
export function reopened(gate: GateState): GateState {
  return { ...gate, shutAt: null, passed: [] };
}

function allowed(population: number | null, { max, percent }: GateLimits): number {
  if (population === null) return max;
  return Math.min(max, Math.max(PERCENT_FLOOR, Math.floor((population * percent) / 100)));
}

function stepOf({ windowMs }: GateLimits): number {
  return Math.max(1, Math.floor(windowMs / STEPS));
}

function counted(passed: GateState["passed"], now: number, step: number): GateState["passed"] {
  const at = Math.floor(now / step) * step;
  const last = passed.at(-1);
  if (last !== undefined && last[0] >= at) return [...passed.slice(0, -1), [last[0], last[1] + 1]];
  return [...passed, [at, 1]];
}
