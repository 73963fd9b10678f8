import { isReplicationError } from "../../domain/error.ts";
import type { ReplicationNotice } from "../../domain/event.ts";
import { NATIVE_FAULTS } from "../../domain/native-verdict.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/state.ts";
import { toRoute } from "../diff.ts";
import type { RuleIndex } from "../rule-index.ts";
import { type Look, lookAt, type PairFacts, rowOfSight } from "./look.ts";
import { rowOfTold, rowOfTrouble } from "./rows.ts";
import { adoption } from "./watch.ts";

export interface NativeNoticesOptions {
  /** Those that S3 serves. */
  readonly rules: RuleIndex;
  /** The id that S3's rule for a pair has. */
  readonly ruleIdOf: (rule: Rule, destination: Destination) => string;
  readonly factsOf: (rule: Rule, destination: Destination) => PairFacts;
  readonly ledger: Ledger;
  readonly storeOf: Look["storeOf"];
  readonly clock: Clock;
}

/**
 * Takes in what S3 tells of its own replication. A notice only names an object: both buckets are asked before anything is written down, so
 * that one that comes twice, late or after the object has changed does no harm (invariant 2).
 */
export class NativeNotices {
  readonly #options: NativeNoticesOptions;

  constructor(options: NativeNoticesOptions) {
    this.#options = options;
  }

  /** Durable on return. Returns how many are of rules of ours. @throws where the buckets cannot be asked now: to be delivered again */
  async accept(store: string, notices: readonly ReplicationNotice[]): Promise<number> {
    let ours = 0;
    for (const notice of notices) {
      for (const rule of this.#options.rules.rulesOf(store, notice.bucket)) {
        const destination = rule.destinations.find((one) => this.#options.ruleIdOf(rule, one) === notice.ruleId);
        if (destination === undefined) continue;
        ours++;
        await this.#look(rule, destination, notice);
      }
    }
    return ours;
  }

  async #look(rule: Rule, destination: Destination, notice: ReplicationNotice): Promise<void> {
    const { ledger, storeOf, clock, factsOf } = this.#options;
    const { key, kind, versionId, failureReason = NATIVE_FAULTS.failed } = notice;
    const route = toRoute(rule, destination);
    const previous = await ledger.get(route, key);
    const now = clock.now();
    const aim = { rule, destination };
    const evidence = kind === "failed" ? { versionId, reason: failureReason } : undefined;
    const place = { route, key, previous, now };
    const look = { aim, key, facts: factsOf(rule, destination), storeOf, now, previous, evidence };
    const entry = await lookAt(look).then(
      (sight) => rowOfSight(sight, place, look),
      (error: unknown) => {
        if (!isReplicationError(error) || error.disposition !== "permanent") throw error;
        return evidence === undefined ? rowOfTrouble(place, error) : rowOfTold(place, evidence);
      },
    );
    if (entry !== undefined) await ledger.adopt([adoption(route, entry, previous)]);
  }
}
