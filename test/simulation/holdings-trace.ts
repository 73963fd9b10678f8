import type { Holding, Intent } from "../../src/domain/holding.ts";
import type { Holdings } from "../../src/ports/state.ts";
import { KEYS, type Member } from "./topology.ts";

/** Tells each change of what the engine knows of interior buckets. */
export class HoldingsTrace {
  readonly #holdings: Holdings;
  readonly #members: readonly Member[];
  readonly #last = new Map<string, string>();

  constructor(holdings: Holdings, members: readonly Member[]) {
    this.#holdings = holdings;
    this.#members = members;
  }

  /** What is another since the last look, a line for each place. */
  async changes(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const { bucket, name } of this.#members) {
      for (const key of KEYS) {
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
