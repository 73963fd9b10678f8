import type { Bucket } from "../domain/bucket.ts";
import type { BucketEvent, ParsedMessage, ReplicationNotice } from "../domain/event.ts";
import { keyMatches, type Rule } from "../domain/rule.ts";
import type { Clock } from "../ports/clock.ts";
import type { Intake } from "../ports/event-source.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Changes, Holdings, Journal, TaskStore, Want } from "../ports/state.ts";
import { Alarm } from "./alarm.ts";
import type { OwnWrites } from "./interior/own-writes.ts";
import type { RuleIndex } from "./rule-index.ts";

export interface EventIntakeOptions {
  readonly tasks: TaskStore;
  readonly journal: Journal;
  readonly holdings: Holdings;
  readonly rules: RuleIndex;
  readonly storeOf: (bucket: Bucket) => ObjectStore;
  readonly clock: Clock;
  readonly ownWrites: OwnWrites;
  /** Takes in what S3 tells of its own replication, durably; returns how many it knew. Absent: nobody wants to know. */
  readonly onNotices?: ((store: string, notices: readonly ReplicationNotice[]) => Promise<number>) | undefined;
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
  readonly #alarm: Alarm;

  constructor(options: EventIntakeOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => void this.flush());
  }

  /** Writes down the counts so far; where that fails they are kept for the next time. Call it at the end. */
  async flush(): Promise<void> {
    this.#alarm.clear();
    const counts = [...this.#counts];
    this.#counts.clear();
    const written = await Promise.allSettled(counts.map(([store, count]) => this.#options.journal.countIntake(store, count)));
    for (const [i, [store, count]] of counts.entries()) if (written[i]?.status === "rejected") this.#add(store, count);
  }

  /** Counts are gathered for a moment: they are for people, and one write for each event would cost as much as its task. */
  #count(store: string, count: IntakeCount): void {
    this.#add(store, count);
    if (!this.#alarm.isSet) this.#alarm.set(COUNTS_EVERY_MS);
  }

  #add(store: string, { received, ignored }: IntakeCount): void {
    const before = this.#counts.get(store) ?? { received: 0, ignored: 0 };
    this.#counts.set(store, { received: before.received + received, ignored: before.ignored + ignored });
  }

  async accept(store: string, message: ParsedMessage): Promise<void> {
    const { tasks, journal } = this.#options;
    const wants: Want[] = [];
    const notes: (() => Promise<void>)[] = [];
    const { notices = [] } = message;
    let ignored = message.ignored + notices.length;
    for (const event of message.events) {
      const rules = await this.#rulesFor(store, event);
      // A bucket that is no source announces our own writes too.
      if (rules.length === 0) ignored++;
      else {
        await this.#route(event, rules, wants);
        notes.push(...this.#noteDelete(event, rules));
      }
    }
    // Before the tasks that look after them: what is noted behind their look would wait there for an absence that it does not explain.
    await Promise.all(notes.map((note) => note()));
    if (notices.length > 0) ignored -= (await this.#options.onNotices?.(store, notices)) ?? 0;
    const received = message.events.length + notices.length + message.ignored + message.malformed.length;
    this.#count(store, { received, ignored });
    await Promise.all([
      wants.length === 0 ? this.flush() : tasks.want(wants),
      ...message.malformed.map((record) => journal.setAside(store, record)),
    ]);
  }

  /**
   * A delete at a leaf's source means something only to rules that replicate deletes, unless it took a version away, which may have brought an
   * older one back; at an interior bucket it is always noted.
   */
  async #rulesFor(store: string, event: BucketEvent): Promise<readonly Rule[]> {
    const { rules, ownWrites } = this.#options;
    const found = rules.rulesOf(store, event.bucket);
    const [first] = found;
    if (first === undefined || !rules.isInterior(first.source.id)) {
      return event.kind === "deleted" && !tookVersion(event) ? found.filter((rule) => rule.deletes !== "none") : found;
    }
    // What we wrote ourselves is news only to rules that carry on what came by another.
    const isOurs = (await ownWrites.excuses(first.source.id, event)) && (await this.#isStillOurs(first.source.id, event));
    return isOurs ? found.filter((rule) => rule.transit) : found;
  }

  /** Deletes look all the same: one of ours that was announced elsewhere must not excuse a client's later one, which nothing else would tell of. */
  async #isStillOurs(bucket: string, event: BucketEvent): Promise<boolean> {
    if (event.kind !== "deleted") return true;
    const { holding, intents } = await this.#options.holdings.known(bucket, event.keys[0]);
    return holding?.object === null || intents.some(({ expected }) => expected === null);
  }

  /** A delete at an interior bucket is noted for every direction to see: its own task may have to wait while another runs. */
  #noteDelete(event: BucketEvent, rules: readonly Rule[]): readonly (() => Promise<void>)[] {
    const source = rules[0]?.source.id;
    const isMeant = !toChanges(event).expired || rules.some(({ expirations }) => expirations);
    if (event.kind !== "deleted" || source === undefined || !isMeant || !this.#options.rules.isInterior(source)) return [];
    return [() => this.#note(source, event)];
  }

  /** While we delete the key ourselves there is nothing to note, and what the delete leaves must not be kept from being stored. */
  async #note(bucket: string, { keys: [key], eventTime }: BucketEvent): Promise<void> {
    const { holdings, clock } = this.#options;
    const now = clock.now();
    const { intents } = await holdings.known(bucket, key);
    if (intents.some(({ expected, expiresAt }) => expected === null && expiresAt > now)) return;
    await holdings.noteDelete(bucket, key, eventTime ?? now);
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
    // A delete is never read in another way: its key may not name what is there (invariant 4).
    if (event.keys.length === 1 || event.kind === "deleted") return [event.keys[0]];
    const store = this.#options.storeOf(rule.source);
    const found = await Promise.all(event.keys.map((key) => store.head(key)));
    const present = event.keys.filter((_, i) => found[i] !== undefined);
    return present.length > 0 ? present : [event.keys[0]];
  }
}

function toWant(event: BucketEvent, key: string): Omit<Want, "route"> {
  const { etag, sizeBytes, eventTime } = event;
  const hint = etag === undefined || event.kind === "deleted" ? undefined : { etag, sizeBytes };
  const deletedAt = event.kind === "deleted" ? eventTime : undefined;
  return { key, lane: "live", eventTime: eventTime ?? null, hint, changes: toChanges(event), deletedAt };
}

/** Stores name a version where they keep any; a marker only hides. */
function tookVersion({ eventName, versionId }: BucketEvent): boolean {
  return versionId !== undefined && !eventName.includes("DeleteMarker");
}

function toChanges({ kind, eventName }: BucketEvent): Changes {
  if (kind === "created") return { written: true };
  if (kind === "attributes") return { attributes: true };
  // It was not written: where it has been replicated already there is nothing to do.
  if (kind === "restored") return { missed: true };
  return { deleted: true, expired: eventName.includes("Lifecycle") || eventName.includes("Expiration") };
}
