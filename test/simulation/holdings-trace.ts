import type { Holding, Intent } from "../../src/domain/holding.ts";
import type { Holdings } from "../../src/ports/state.ts";
import { KEYS, type Topology } from "./topology.ts";
import { keysOf } from "./twists.ts";

/** Tells each change of what the engine knows of interior buckets. */
export class HoldingsTrace {
  readonly #holdings: Holdings;
  readonly #topology: Topology;
  readonly #keys: readonly string[];
  readonly #last = new Map<string, string>();

  constructor(holdings: Holdings, topology: Topology) {
    this.#holdings = holdings;
    this.#topology = topology;
    this.#keys = keysOf(topology, KEYS);
  }

  /** What is another since the last look, a line for each place. */
  async changes(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const { bucket, name } of this.#topology.members) {
      for (const key of this.#keys) {
        const { holding, intents } = await this.#holdings.known(bucket.id, key);
        const place = `${name}/${key}`;
        const text = [holding === undefined ? "unknown" : describeHolding(holding), ...intents.map(describeIntent)].join(" ");
        if ((this.#last.get(place) ?? "unknown") !== text) lines.push(`      known of ${place}: ${text}`);
        this.#last.set(place, text);
      }
    }
    return lines;
  }
}

function describeHolding({ object, content, isReplica, revision }: Holding): string {
  const history = Object.entries(content.history).map(([bucket, count]) => `${initialOf(bucket)}${count}`);
  const what = object === null ? "deleted" : object.etag.slice(0, 6);
  return `${what} from ${initialOf(content.origin)} {${history.join(" ")}}${isReplica ? " replica" : ""} r${revision}`;
}

function describeIntent({ id, expected }: Intent): string {
  return `(${id} ${expected === null ? "deletes" : "writes"})`;
}

/** Of the store's host in a canonical id. */
function initialOf(bucket: string): string {
  return bucket.slice("s3://".length)[0] ?? bucket;
}
