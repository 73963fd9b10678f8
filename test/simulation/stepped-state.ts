import type { Holding } from "../../src/domain/holding.ts";
import type { LeasedTask, Outcome, State } from "../../src/ports/state.ts";

export interface StateSteps {
  /** Awaited before and after each call takes effect; what it throws before is a call that did nothing. */
  readonly step: (label: string) => Promise<void>;
  /** Runs something as a turn of its own. */
  readonly later: (run: () => void) => void;
  readonly onClaimed: (task: LeasedTask) => void;
  /** Awaited when a call has taken effect; for who looks at the state itself. */
  readonly onEffect?: ((label: string) => Promise<void>) | undefined;
  /** Told of each holding that came to be stored. */
  readonly onKnown: (holding: Holding) => void;
  /** Told of each outcome that the state took. */
  readonly onRecorded: (outcome: Outcome) => void;
}

/** The state as one process reaches it: every call takes two steps, and its effect happens at one instant between them. */
export function steppedState(state: State, steps: StateSteps): State {
  const tasks = stepped("tasks", state.tasks, steps);
  return {
    tasks: {
      ...tasks,
      onDue: (callback) => state.tasks.onDue(() => steps.later(callback)),
      claim: (options) =>
        around(steps, "claim", async () => {
          const claimed = await state.tasks.claim(options);
          for (const task of claimed) steps.onClaimed(task);
          return claimed;
        }),
      record: (outcomes) =>
        around(steps, "record", async () => {
          const held = await state.tasks.record(outcomes);
          for (const [i, outcome] of outcomes.entries()) {
            if (held[i] !== true) continue;
            steps.onRecorded(outcome);
            for (const holding of outcome.holdings ?? []) await tellStored(state, holding, steps);
          }
          return held;
        }),
    },
    ledger: stepped("ledger", state.ledger, steps),
    journal: stepped("journal", state.journal, steps),
    holdings: {
      ...stepped("holdings", state.holdings, steps),
      observe: (holdings, closes) =>
        around(steps, "holdings.observe", async () => {
          const stored = await state.holdings.observe(holdings, closes);
          if (stored) for (const holding of holdings) steps.onKnown(holding);
          return stored;
        }),
    },
    safeguards: stepped("safeguards", state.safeguards, steps),
    uploads: stepped("uploads", state.uploads, steps),
    close: () => state.close(),
  };
}

/** An outcome does not tell whether its holdings were stored: another may have been before. */
async function tellStored({ holdings }: State, holding: Holding, steps: StateSteps): Promise<void> {
  const known = await holdings.known(holding.bucket, holding.key);
  if (known.holding?.object?.etag === holding.object?.etag) steps.onKnown(holding);
}

async function around<T>(steps: StateSteps, label: string, effect: () => Promise<T>): Promise<T> {
  await steps.step(`${label}:before`);
  const result = await effect();
  await steps.onEffect?.(label);
  await steps.step(`${label}:after`);
  return result;
}

/** Every method of a port in two steps. They are all asynchronous, but for what is replaced by hand. */
function stepped<T extends object>(name: string, port: T, steps: StateSteps): T {
  const calls: Record<string, unknown> = {};
  for (const method of methodsOf(port)) {
    const call = (port as Record<string, unknown>)[method];
    if (typeof call !== "function") continue;
    calls[method] = (...args: unknown[]) => around(steps, `${name}.${method}`, async () => call.apply(port, args));
  }
  return calls as T;
}

function methodsOf(port: object): readonly string[] {
  const prototype = Object.getPrototypeOf(port);
  const inherited = prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype);
  return [...inherited, ...Object.keys(port)].filter((name) => name !== "constructor");
}
