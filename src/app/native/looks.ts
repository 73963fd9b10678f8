import type { NativeLook, NativeObjectFacts, NativePairFacts } from "../../control-plane/native.ts";
import { toRoute } from "../../data-plane/diff.ts";
import type { Applied } from "../../data-plane/native/applied.ts";
import { lookAt, type PairFacts, rowOfSight } from "../../data-plane/native/look.ts";
import { RuleIndex } from "../../data-plane/rule-index.ts";
import type { Destination, Rule } from "../../domain/rule.ts";
import type { BatchJob } from "../../ports/batch-replication.ts";
import type { Ledger } from "../../ports/state.ts";
import type { Stores } from "../stores.ts";
import { systemClock } from "../system-clock.ts";
import { NativeFacts, type NativeFactsRun } from "./facts.ts";

export interface NativeLooksRun extends NativeFactsRun {
  readonly ledger: Ledger;
  readonly storeOf: Stores["storeOf"];
}

/** What CloudWatch and S3 Control are asked for costs money and changes by the minute. */
const FRESH_MS = 60_000;

/** Answers what people ask about rules that S3 serves, by asking S3. Writes nothing. */
export class NativeLooks implements NativeLook {
  readonly #run: NativeLooksRun;
  readonly #facts: NativeFacts;
  readonly #rules: RuleIndex;
  readonly #fresh = new Map<string, { readonly until: number; readonly value: Promise<unknown> }>();

  constructor(run: NativeLooksRun) {
    this.#run = run;
    this.#facts = new NativeFacts(run);
    this.#rules = new RuleIndex(run.config.rules);
  }

  pair(rule: Rule, destination: Destination): Promise<NativePairFacts> {
    return this.#freshly(`pair ${rule.id} ${rule.source.id} ${destination.canonicalId}`, async () => ({
      rule: this.#facts.ruleFact(rule, destination, await this.#facts.applied(rule)),
      metrics: await this.#facts.metrics(rule, destination),
    }));
  }

  job(rule: Rule): Promise<BatchJob | undefined> {
    return this.#freshly(`job ${rule.source.id}`, () => this.#facts.latestJob(rule));
  }

  async object(rule: Rule, destination: Destination, key: string): Promise<NativeObjectFacts | undefined> {
    const { ledger, storeOf } = this.#run;
    const route = toRoute(rule, destination);
    const [applied, previous] = await Promise.all([this.#facts.applied(rule), ledger.get(route, key)]);
    const now = systemClock.now();
    const aim = { rule, destination };
    try {
      const facts = pairFacts(aim, { applied, rules: this.#rules, isRepaired: false });
      const sight = await lookAt({ aim, key, facts, storeOf, now, previous });
      return {
        rule: this.#facts.ruleFact(rule, destination, applied),
        replicationStatus: (sight.kind === "seen" && sight.source.replicationStatus) || null,
        replicaStatus: (sight.kind !== "excluded" && sight.replica?.replicationStatus) || null,
        entry: rowOfSight(sight, { route, key, previous, now }, { aim }) ?? previous,
      };
    } catch (error) {
      this.#facts.note("a bucket cannot be asked for an object", rule, error);
      return undefined;
    }
  }

  #freshly<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const now = systemClock.now();
    const known = this.#fresh.get(name);
    if (known !== undefined && known.until > now) return known.value as Promise<T>;
    const value = ask();
    this.#fresh.set(name, { until: now + FRESH_MS, value });
    return value;
  }
}

interface KnownOfDirection {
  /** Undefined: nobody may look. */
  readonly applied: Applied | undefined;
  readonly isRepaired: boolean;
  /** All rules of the config. */
  readonly rules: RuleIndex;
}

/** A rule that is disabled in the config is not missed at the bucket. */
export function pairFacts(
  { rule, destination }: { readonly rule: Rule; readonly destination: Destination },
  { applied, isRepaired, rules }: KnownOfDirection,
): PairFacts {
  const isInterior = rules.isInterior(destination.bucket.id);
  if (applied === undefined) return { isSole: false, isInterior, isApplied: undefined, isRepaired };
  return { isSole: applied.isSole, isInterior, isApplied: applied.stateOf(destination) === "Enabled" || !rule.enabled, isRepaired };
}
