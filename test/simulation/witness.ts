import { clientKey } from "./twists.ts";

/**
 * What clients did, kept apart from everything the engine believes. Every write has bytes of its own, so that a replica's bytes tell which
 * write it descends from.
 */
export interface ClientWrite {
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly member: string;
  readonly key: string;
  /** The bytes that are current after it; null for a delete. */
  readonly content: string | null;
  /**
   * Ids of the writes that whoever wrote it could know of, as far as the engine can tell: what had been current there before, but for copies
   * that were written over before they were recorded.
   */
  readonly follows: ReadonlySet<number>;
  /** Of a delete: whether it left a marker, which tells of it without any event. */
  readonly isMarked: boolean;
  /** Of a delete: whether a lifecycle made it. */
  readonly isExpiration: boolean;
  /** Why the engine may never have learnt of it, or may have lost it rightly; undefined where there is no excuse. */
  excuse: string | undefined;
}

/** A change that the engine made. */
export interface EngineEffect {
  readonly member: string;
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
  /** What it replaced was a client's that the engine had not read. */
  readonly isBlind: boolean;
}

interface Named {
  readonly member: string;
  readonly key: string;
}

/** What came to a place: a client's write, or one of the engine's, which nobody knows of until it is recorded or read. */
type Step =
  | {
      readonly write: ClientWrite;
      readonly etag: string | null /** The engine read it, or cannot tell it from what was there. */;
      isSeen: boolean;
    }
  | { readonly of: ClientWrite; readonly etag: string | null; isKnown: boolean };

/** What a client left. */
interface ClientState {
  readonly at: number;
  readonly content: string | null;
  readonly isMarked: boolean;
  readonly etag: string | null;
  readonly isExpiration?: boolean | undefined;
}

interface Place {
  content: string | null;
  /** All that what is current here descends from, or replaced. */
  steps: readonly Step[];
}

export class Witness {
  readonly writes: ClientWrite[] = [];
  readonly effects: EngineEffect[] = [];
  readonly #places = new Map<string, Place>();
  /** By content: the members that clients wrote it at. */
  readonly #origins = new Map<string, Set<string>>();

  contentAt(member: string, key: string): string | null {
    return this.#place(member, key).content;
  }

  /** The members at which clients wrote these bytes, first or again, or brought them back. */
  originsOf(content: string): ReadonlySet<string> {
    return this.#origins.get(content) ?? new Set();
  }

  client({ member, key }: Named, { at, content, isMarked, etag, isExpiration = false }: ClientState): ClientWrite {
    const { steps, content: before } = this.#place(member, key);
    const write: ClientWrite = {
      id: this.writes.length,
      at,
      member,
      key,
      content,
      isMarked,
      isExpiration,
      get follows() {
        return idsOf(steps);
      },
      excuse: undefined,
    };
    this.writes.push(write);
    this.#places.set(`${member} ${key}`, {
      content,
      steps: [...steps, { write, etag, isSeen: content === before || steps.some((step) => step.etag === etag) }],
    });
    if (content !== null) this.#origins.set(content, new Set([...this.originsOf(content), member]));
    return write;
  }

  engine(
    { member, key }: Named,
    { content: after, etag }: { readonly content: string | null; readonly etag: string | null },
  ): EngineEffect {
    const place = this.#place(member, key);
    const last = place.steps.at(-1);
    const isBlind = last !== undefined && "write" in last && !last.isSeen && place.content !== null && place.content !== after;
    const effect = { member, key, before: place.content, after, isBlind };
    this.effects.push(effect);
    const of = this.#firstOf(key, after);
    const steps = of === undefined ? place.steps : [...place.steps, { of, etag, isKnown: false }];
    this.#places.set(`${member} ${key}`, { content: after, steps });
    return effect;
  }

  /** The engine knows that its last write of this came to be; null: its last delete. Of any ETag where none is given. */
  learnt({ member, key }: Named, etag?: string | null): void {
    const { steps } = this.#place(member, key);
    const last = steps.at(-1);
    if (last !== undefined && "write" in last && last.etag === etag) last.isSeen = true;
    const step = steps.findLast((one) => "of" in one && (etag === undefined || one.etag === etag));
    if (step !== undefined && "of" in step) step.isKnown = true;
  }

  /** The engine lost what it knew: who writes over its copies from now on may seem not to have known of them, until they are looked at again. */
  forgotten(): void {
    for (const [name, place] of this.#places) {
      const steps = place.steps.map((step) => ("of" in step ? { ...step, isKnown: false } : step));
      this.#places.set(name, { ...place, steps });
    }
  }

  /** What a client took away before anybody knew of it is never known. */
  tookAway({ member, key }: Named): void {
    const place = this.#place(member, key);
    this.#places.set(`${member} ${key}`, { ...place, steps: place.steps.filter((step) => "write" in step || step.isKnown) });
  }

  /** The last thing a client did there. */
  lastAt(member: string, key: string): ClientWrite | undefined {
    return this.writes.findLast((write) => write.member === member && write.key === key);
  }

  /** What was there is gone, and nobody deleted it. */
  vanished(member: string): void {
    for (const name of this.#places.keys()) if (name.startsWith(`${member} `)) this.#places.delete(name);
    const kept = new Set([...this.#places.values()].map(({ content }) => content));
    for (const write of this.writes) if (!kept.has(write.content)) write.excuse ??= "gone with its bucket";
  }

  writesOf(key: string, members: ReadonlySet<string>): readonly ClientWrite[] {
    return this.writes.filter((write) => clientKey(write.key) === clientKey(key) && members.has(write.member));
  }

  /** Whether a write is one of the last: each that follows it left the same bytes, or may be unknown to the engine. */
  static isLast(write: ClientWrite, among: readonly ClientWrite[]): boolean {
    const mayBeUnknown = (other: ClientWrite) =>
      other.excuse !== undefined ||
      among.some((remove) => remove.content === null && remove.excuse !== undefined && remove.follows.has(other.id));
    return among.every((other) => !other.follows.has(write.id) || other.content === write.content || mayBeUnknown(other));
  }

  /** Of several writes that left these bytes the first is taken: it descends from the fewest, which accuses nobody wrongly. */
  #firstOf(key: string, content: string | null): ClientWrite | undefined {
    const candidates = this.writes.filter((write) => clientKey(write.key) === clientKey(key) && write.content === content);
    const [first] = candidates;
    return content === null && candidates.length > 1 ? undefined : first;
  }

  #place(member: string, key: string): Place {
    return this.#places.get(`${member} ${key}`) ?? { content: null, steps: [] };
  }
}

function idsOf(steps: readonly Step[]): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const step of steps) {
    if ("write" in step) ids.add(step.write.id);
    else if (step.isKnown) for (const id of [...step.of.follows, step.of.id]) ids.add(id);
  }
  return ids;
}
