import { ReplicationError } from "../../domain/error.ts";
import type { State } from "../../ports/state.ts";

/** What is answered where nothing ever ran. */
const ANSWERS: Readonly<Record<string, () => Promise<unknown>>> = {
  pending: async () => [],
  get: async () => undefined,
  entriesOf: async () => [],
  scan: async () => [],
  list: async () => ({ entries: [], nextToken: null }),
  summaries: async () => [],
  intake: async () => [],
  outages: async () => [],
  syncProgress: async () => undefined,
  engine: async () => undefined,
  epoch: async () => undefined,
  gate: async () => ({ shutAt: null }),
  gates: async () => [],
  conflict: async () => undefined,
  conflicts: async () => ({ conflicts: [], nextToken: null }),
  pausedRules: async () => [],
};

/** A state for reading where there is none, for what S3 alone can answer: it knows nothing, makes no file and keeps nothing. */
export function emptyState(): State {
  return {
    tasks: knowingNothing(),
    ledger: knowingNothing(),
    journal: knowingNothing(),
    holdings: knowingNothing(),
    safeguards: knowingNothing(),
    uploads: knowingNothing(),
    close: async () => undefined,
  };
}

function knowingNothing<Port extends object>(): Port {
  return new Proxy({} as Port, { get: (_, name) => ANSWERS[String(name)] ?? refuse });
}

async function refuse(): Promise<never> {
  throw new ReplicationError("LedgerUnavailable", "nothing ever ran with this config: there is no state to change", {
    hint: "replicast run",
  });
}
