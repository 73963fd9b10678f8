import { type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import type { CountedObjects } from "../../ports/replication-configuration.ts";
import type { BackfillPair } from "../../provisioning/existing-objects/existing-objects.ts";
import { type BackfillPlan, type BackfillWish, planBackfill } from "../../provisioning/existing-objects/plan-backfill.ts";
import type { NativeBucket, NativePair } from "../../provisioning/native-pair.ts";
import type { AwsPorts } from "../native/ports.ts";

/** A million versions: listing more takes longer than anybody waits for a plan. */
const MAX_PAGES = 1000;

export type ExistingAsk = Pick<BackfillWish, "owner" | "created" | "starts" | "signal"> & { readonly pairs: readonly NativePair[] };

/**
 * Plans what is replicated of what was there before a config's native rules. What was counted once is not counted again, and a job that was refused
 * is not planned again.
 */
export class ExistingPlanner {
  readonly #config: ResolvedConfig;
  readonly #aws: AwsPorts;
  readonly #counted = new Map<string, Promise<CountedObjects>>();
  readonly #refusals = new Map<string, string>();

  constructor(config: ResolvedConfig, aws: AwsPorts) {
    this.#config = config;
    this.#aws = aws;
  }

  plan({ pairs, signal, ...ask }: ExistingAsk): Promise<BackfillPlan> {
    const wish = {
      ...ask,
      signal,
      pairs: pairs.map((pair) => backfillPair(this.#config, pair)),
      sources: new Set(this.#config.rules.map(({ source }) => source.id)),
      propagationMs: this.#config.iam.propagationMs,
    };
    const count = (source: NativeBucket, prefix: string) => this.#count(source, prefix, signal);
    return planBackfill(wish, { ...this.#aws.ports, batchOf: (bucket) => this.#aws.batchOf(bucket), count, refusals: this.#refusals });
  }

  #count(source: NativeBucket, prefix: string, signal: AbortSignal | undefined): Promise<CountedObjects> {
    const place = `${source.id} ${prefix}`;
    const count = async () => (await this.#aws.ports.configurationOf(source)).count(prefix, { maxPages: MAX_PAGES, signal });
    const known = this.#counted.get(place) ?? count();
    this.#counted.set(place, known);
    return known;
  }
}

/** A pair with what the config says of its destination. */
function backfillPair(config: ResolvedConfig, pair: NativePair): BackfillPair {
  const rule = config.rules.find(({ id, source }) => id === pair.rule && source.id === pair.source.id);
  const destination = rule?.destinations.find(({ id }) => id === pair.destinationId);
  if (rule === undefined || destination === undefined) return { pair, includesExisting: false, limits: {} };
  const limits = settingsOf(config, rule).backfillLimits[destination.canonicalId] ?? {};
  return { pair, includesExisting: destination.existingObjects, limits };
}
