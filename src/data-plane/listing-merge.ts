import { ReplicationError } from "../domain/error.ts";
import { compareKeys, type ListedObject } from "../domain/object.ts";
import type { ListPage, ObjectStore } from "../ports/object-store.ts";

/** One side of a merge: the objects of a bucket under a prefix, keyed as the source keys them. */
export interface MergeSide {
  readonly store: Pick<ObjectStore, "bucket" | "list">;
  readonly prefix: string;
  /** Cut off the front of every key, which begins with it. */
  readonly stripPrefix: string;
  /** Told where the side cannot be listed to its end: what comes after is not known of it, and the others go on. Absent: the merge fails. */
  readonly onLost?: ((error: unknown) => void) | undefined;
}

/** One key of the union of all sides. */
export interface MergedKey {
  readonly key: string;
  readonly source: ListedObject | undefined;
  /** By destination, in the order given. */
  readonly replicas: readonly (ListedObject | undefined)[];
}

/** Told of every key in order; where it returns a promise the merge waits for it. */
export type MergeVisitor = (merged: MergedKey) => void | Promise<void>;

/**
 * Visits the union of a source's and its destinations' keys in the order of their UTF-8 bytes, each once, in bounded memory: a page of each
 * side and the one that is being fetched.
 *
 * @throws `ListingOutOfOrder` where a store does not list by UTF-8 bytes: nothing can then be concluded from what that side lacks.
 */
export async function mergeListings(
  sides: { source: MergeSide; destinations: readonly MergeSide[] },
  visit: MergeVisitor,
  signal?: AbortSignal,
): Promise<void> {
  const cursors = [sides.source, ...sides.destinations].map((side) => new Cursor(side, signal));
  try {
    await Promise.all(cursors.map((cursor) => cursor.fill()));
    for (;;) {
      const key = smallestKey(cursors);
      if (key === undefined) return;
      const found = cursors.map((cursor) => cursor.take(key));
      const pending = visit({ key, source: found[0], replicas: found.slice(1) });
      if (pending !== undefined) await pending;
      for (const cursor of cursors) if (cursor.isEmpty) await cursor.fill();
    }
  } finally {
    for (const cursor of cursors) cursor.abandon();
  }
}

function smallestKey(cursors: readonly Cursor[]): string | undefined {
  let smallest: string | undefined;
  for (const cursor of cursors) {
    const key = cursor.key;
    if (key !== undefined && (smallest === undefined || compareKeys(key, smallest) < 0)) smallest = key;
  }
  return smallest;
}

/** Walks one side page by page, always fetching the next page while this one is read. */
class Cursor {
  readonly #side: MergeSide;
  readonly #signal: AbortSignal | undefined;
  #objects: readonly ListedObject[] = [];
  #at = 0;
  #key: string | undefined;
  #last: string | undefined;
  #next: Promise<ListPage> | undefined;

  constructor(side: MergeSide, signal: AbortSignal | undefined) {
    this.#side = side;
    this.#signal = signal;
    this.#next = this.#fetch(undefined);
  }

  /** The key it stands at; undefined at the end of the page. */
  get key(): string | undefined {
    return this.#key;
  }

  /** True where {@link fill} has to be called: the page is used up and there is another. */
  get isEmpty(): boolean {
    return this.#key === undefined && this.#next !== undefined;
  }

  /** Returns the object with this key and moves on, or undefined where it stands at another. */
  take(key: string): ListedObject | undefined {
    if (this.#key !== key) return undefined;
    const object = this.#objects[this.#at];
    this.#at++;
    this.#step();
    return object;
  }

  /** Stands at the first object of the next page that has any. */
  async fill(): Promise<void> {
    while (this.#key === undefined && this.#next !== undefined) {
      const page = await this.#next.catch((error: unknown) => this.#lose(error));
      if (page === undefined) return;
      this.#next = page.nextContinuationToken === undefined ? undefined : this.#fetch(page.nextContinuationToken);
      this.#objects = page.objects;
      this.#at = 0;
      this.#step();
    }
  }

  /** Takes the fetch that is under way off everyone's mind. */
  abandon(): void {
    this.#next?.catch(() => undefined);
    this.#next = undefined;
  }

  /** Ends the side. @throws the error where nobody is told of it */
  #lose(error: unknown): undefined {
    if (this.#side.onLost === undefined) throw error;
    this.abandon();
    this.#key = undefined;
    this.#side.onLost(error);
  }

  #fetch(continuationToken: string | undefined): Promise<ListPage> {
    const page = this.#side.store.list({ prefix: this.#side.prefix, continuationToken, signal: this.#signal });
    page.catch(() => undefined); // read later, by fill: until then it is nobody's unhandled rejection
    return page;
  }

  #step(): void {
    const listed = this.#objects[this.#at]?.key;
    if (listed === undefined) {
      this.#key = undefined;
      return;
    }
    if (this.#last !== undefined && compareKeys(listed, this.#last) <= 0) {
      this.#lose(outOfOrder(this.#side, this.#last, listed));
      return;
    }
    this.#last = listed;
    this.#key = this.#side.stripPrefix === "" ? listed : listed.slice(this.#side.stripPrefix.length);
  }
}

function outOfOrder(side: MergeSide, before: string, after: string): ReplicationError {
  const { name, bucket } = side.store.bucket;
  return new ReplicationError(
    "ListingOutOfOrder",
    `${name} lists ${JSON.stringify(after)} after ${JSON.stringify(before)}: not in the order of their bytes`,
    {
      at: { operation: "ListObjectsV2", bucket },
      hint: "this store cannot be compared by listing; nothing was concluded and nothing changed",
    },
  );
}
