import type { Bucket } from "../domain/bucket.ts";
import type { BucketEvent, ParsedMessage } from "../domain/event.ts";
import { keyMatches, type Rule } from "../domain/rule.ts";
import type { Intake } from "../ports/event-source.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Journal, TaskStore, Want } from "../ports/state.ts";
import type { RuleIndex } from "./rule-index.ts";

export interface EventIntakeOptions {
  readonly tasks: TaskStore;
  readonly journal: Journal;
  readonly rules: RuleIndex;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
}

interface IntakeCount {
  readonly received: number;
  readonly ignored: number;
}

const COUNTS_EVERY_MS = 100;

/** Turns bucket events into durable tasks. Drops nothing by time or sequencer; coalescing in the task row is the only dedupe (invariant 2). */
export class EventIntake implements Intake {
  readonly #options: EventIntakeOptions;
  readonly #counts = new Map<string, IntakeCount>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
  }

  /** Writes down the counts so far; where that fails they are kept for the next time. Call it at the end. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counts = [...this.#counts];
    this.#counts.clear();
    const written = await Promise.allSettled(counts.map(([store, count]) => this.#options.journal.countIntake(store, count)));
    for (const [i, [store, count]] of counts.entries()) if (written[i]?.status === "rejected") this.#count(store, count);
  }

  /** Counts are gathered for a moment: they are for people, and one write for each event would cost as much as its task. */
  #count(store: string, { received, ignored }: IntakeCount): void {
    const before = this.#counts.get(store) ?? { received: 0, ignored: 0 };
    this.#counts.set(store, { received: before.received + received, ignored: before.ignored + ignored });
    this.#timer ??= setTimeout(() => void this.flush(), COUNTS_EVERY_MS);
    this.#timer.unref();
  }

  async accept(store: string, message: ParsedMessage): Promise<void> {
    const { tasks, journal } = this.#options;
    const wants: Want[] = [];
    let { ignored } = message;
    for (const event of message.events) {
      const rules = event.kind === "deleted" ? [] : this.#options.rules.rulesOf(store, event.bucket);
      // Deletes are not replicated by any rule of this version; a bucket that is no source announces our own writes too.
      if (rules.length === 0) ignored++;
      else await this.#route(event, rules, wants);
    }
    this.#count(store, { received: message.events.length + message.ignored + message.malformed.length, ignored });
    await Promise.all([
      wants.length === 0 ? this.flush() : tasks.want(wants),
      ...message.malformed.map((record) => journal.setAside(store, record)),
    ]);
  }

  async #route(event: BucketEvent, rules: readonly Rule[], wants: Want[]): Promise<void> {
    for (const key of await this.#keysOf(event, rules[0] as Rule)) {
      for (const rule of rules) {
        if (!keyMatches(rule.filter, key)) continue;
        for (const destination of rule.destinations)
          wants.push({ ...toWant(event, key), route: this.#options.rules.routeOf(rule, destination) });
      }
    }
  }

  /** Where a key can be read in two ways, those readings that name an object: both are looked up, none is guessed. */
  async #keysOf(event: BucketEvent, rule: Rule): Promise<readonly string[]> {
    if (event.keys.length === 1) return event.keys;
    const store = this.#options.storeOf(rule.source);
    const found = await Promise.all(event.keys.map((key) => store.head(key)));
    const present = event.keys.filter((_, i) => found[i] !== undefined);
    return present.length > 0 ? present : [event.keys[0]];
  }
}

function toWant(event: BucketEvent, key: string): Omit<Want, "route"> {
  const { etag, sizeBytes, eventTime } = event;
  return { key, lane: "live", eventTime: eventTime ?? null, hint: etag === undefined ? undefined : { etag, sizeBytes } };
}
