/**
 * What clients did, kept apart from everything the engine believes. Every write has bytes of its own, so that a replica's bytes tell which
 * write it descends from.
 */
export interface ClientWrite {
  readonly id: number;
  readonly member: string;
  readonly key: string;
  /** The bytes that are current after it; null for a delete. */
  readonly content: string | null;
  /** Ids of the writes that whoever wrote it could know of: what had been current there before. */
  readonly follows: ReadonlySet<number>;
  /** Of a delete: whether it left a marker, which tells of it without any event. */
  readonly isMarked: boolean;
  /** Why the engine may never have learnt of it, or may have lost it rightly; undefined where there is no excuse. */
  excuse: string | undefined;
}

/** A change that the engine made. */
export interface EngineEffect {
  readonly member: string;
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
}

interface Named {
  readonly member: string;
  readonly key: string;
}

interface Place {
  content: string | null;
  /** Ids of all writes that what is current here descends from, or replaced. */
  known: ReadonlySet<number>;
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

  client({ member, key }: Named, { content, isMarked }: { readonly content: string | null; readonly isMarked: boolean }): ClientWrite {
    const before = this.#place(member, key);
    const write: ClientWrite = { id: this.writes.length, member, key, content, isMarked, follows: before.known, excuse: undefined };
    this.writes.push(write);
    this.#places.set(`${member} ${key}`, { content, known: new Set([...before.known, write.id]) });
    if (content !== null) this.#origins.set(content, new Set([...this.originsOf(content), member]));
    return write;
  }

  engine({ member, key }: Named, after: string | null): EngineEffect {
    const place = this.#place(member, key);
    const effect = { member, key, before: place.content, after };
    this.effects.push(effect);
    this.#places.set(`${member} ${key}`, { content: after, known: new Set([...place.known, ...this.#descentOf(key, after)]) });
    return effect;
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
    return this.writes.filter((write) => write.key === key && members.has(write.member));
  }

  /** Whether a write is one of the last: each that follows it left the same bytes, or may be unknown to the engine. */
  static isLast(write: ClientWrite, among: readonly ClientWrite[]): boolean {
    const mayBeUnknown = (other: ClientWrite) =>
      other.excuse !== undefined ||
      among.some((remove) => remove.content === null && remove.excuse !== undefined && remove.follows.has(other.id));
    return among.every((other) => !other.follows.has(write.id) || other.content === write.content || mayBeUnknown(other));
  }

  /** Of several writes that left these bytes the first is taken: it descends from the fewest, which accuses nobody wrongly. */
  #descentOf(key: string, content: string | null): Iterable<number> {
    const candidates = this.writes.filter((write) => write.key === key && write.content === content);
    const [first] = candidates;
    if (first === undefined || (content === null && candidates.length > 1)) return [];
    return [...first.follows, first.id];
  }

  #place(member: string, key: string): Place {
    return this.#places.get(`${member} ${key}`) ?? { content: null, known: new Set() };
  }
}
