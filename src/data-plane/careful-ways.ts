import type { Bucket } from "../domain/bucket.ts";
import type { GateLimits } from "../domain/delete-gate.ts";
import { destinationKey, type Rule } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { LeasedTask, State } from "../ports/state.ts";
import type { Transfer } from "../ports/transfer.ts";
import { isAsRecorded, isRecorded, mayBeThere } from "./already-there.ts";
import { Archives } from "./archives.ts";
import { changeLeaf } from "./change-leaf.ts";
import { isToldDelete } from "./delete-evidence.ts";
import { DeleteGates } from "./delete-gates.ts";
import { converge } from "./interior/converge.ts";
import { KeyReader } from "./interior/key-reader.ts";
import type { OwnWrites } from "./interior/own-writes.ts";
import type { RuleIndex } from "./rule-index.ts";
import { type Assignment, type Settled, type Settlement, settled } from "./settlement.ts";
import { replayHistory } from "./versions/replay-history.ts";

export interface CarefulWaysOptions {
  readonly transfer: Transfer;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly state: State;
  readonly rules: RuleIndex;
  readonly clock: Clock;
  readonly ownWrites: OwnWrites;
  readonly deleteGate: GateLimits;
  /** See {@link DeleteGates}. */
  readonly isTrusted?: (() => Promise<boolean>) | undefined;
  /**
   * Whether what has no row is new, since all that was there has one. Where not, and nothing tells what came first, a person has to say.
   * @defaultValue once a comparison of the rule is over
   */
  readonly isCompared?: ((rule: Rule) => Promise<boolean>) | undefined;
  /** A new id, unique over all processes and times. */
  readonly newId: () => string;
}

/** The ways that look before they write: into interior buckets, and for changes that are no plain copies. */
export class CarefulWays {
  readonly gates: DeleteGates;
  readonly archives: Archives;
  readonly #options: CarefulWaysOptions;
  readonly #reader: KeyReader;
  readonly #compared = new Set<string>();

  constructor(options: CarefulWaysOptions) {
    const { storeOf, state, clock, ownWrites } = options;
    this.#options = options;
    this.gates = new DeleteGates({ safeguards: state.safeguards, limits: options.deleteGate, clock, isTrusted: options.isTrusted });
    this.archives = new Archives(storeOf, state.ledger);
    this.#reader = new KeyReader({ storeOf, holdings: state.holdings, clock, ownWrites });
  }

  /** Brings the task's object to its aim. Never throws for the state of the world. */
  settle(assignment: Assignment): Promise<Settlement> {
    const { transfer, storeOf, state, rules, clock, ownWrites, newId } = this.#options;
    const reader = this.#reader;
    const { gates } = this;
    if (assignment.aim.rule.versions === "all") {
      const { ledger, journal } = state;
      return replayHistory({ transfer, storeOf, ledger, journal, gates, now: () => clock.now() }, assignment);
    }
    if (!rules.isInterior(assignment.aim.destination.bucket.id)) {
      return changeLeaf({ transfer, storeOf, ledger: state.ledger, rules, reader, gates, now: () => clock.now() }, assignment);
    }
    const { holdings, ledger, safeguards } = state;
    const isCompared = this.#options.isCompared ?? ((rule: Rule) => this.#isCompared(rule));
    return converge(
      { transfer, storeOf, holdings, ledger, safeguards, rules, clock, ownWrites, reader, gates, newId, isCompared },
      assignment,
    );
  }

  /** What is to be recorded of a task that was wished for once more while its copy was under way; undefined where it is to be copied. */
  async alreadyThere({ task, aim, signal }: Assignment): Promise<Settled | undefined> {
    if (!mayBeThere(task)) return undefined;
    const { state, storeOf } = this.#options;
    const row = await state.ledger.get(task.route, task.key);
    if (!isRecorded(task, row)) return undefined;
    const { rule, destination } = aim;
    const [source, there] = await Promise.all([
      storeOf(rule.source).head(task.key, { signal }),
      storeOf(destination.bucket).head(destinationKey(destination, task.key), { signal }),
    ]);
    if (source === undefined || !isAsRecorded(row, source, there)) return undefined;
    return settled("COMPLETED", null, { notes: row.notes, origin: row.origin });
  }

  /** What an attempt at a leaf that failed left in the row of its task. */
  async deletesTold({ route, key }: LeasedTask): Promise<readonly string[]> {
    const row = await this.#options.state.ledger.get(route, key);
    return row?.notes.filter(isToldDelete) ?? [];
  }

  async #isCompared(rule: Rule): Promise<boolean> {
    if (this.#compared.has(rule.id)) return true;
    const progress = await this.#options.state.journal.syncProgress(rule.id);
    if (progress === undefined || progress.finishedAt === null) return false;
    this.#compared.add(rule.id);
    return true;
  }
}
