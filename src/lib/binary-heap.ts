/** A heap that gives its items back the smallest first. Items of equal rank come in no particular order. */
export class BinaryHeap<T> {
  readonly #rank: (item: T) => number;
  readonly #items: T[] = [];

  /** The rank of an item must not change while it is in the heap. */
  constructor(rank: (item: T) => number) {
    this.#rank = rank;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The smallest item, left where it is; undefined for an empty heap. */
  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    const rank = this.#rank(item);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as T;
      if (this.#rank(parent) <= rank) break;
      items[index] = parent;
      index = parentIndex;
    }
    items[index] = item;
  }

  /** Takes the smallest item out; undefined for an empty heap. */
  pop(): T | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return top;
  }

  #sink(item: T): void {
    const items = this.#items;
    const rank = this.#rank(item);
    let index = 0;
    for (;;) {
      const childIndex = this.#smallerChild(index);
      if (childIndex === undefined || this.#rank(items[childIndex] as T) >= rank) break;
      items[index] = items[childIndex] as T;
      index = childIndex;
    }
    items[index] = item;
  }

  #smallerChild(index: number): number | undefined {
    const left = 2 * index + 1;
    if (left >= this.#items.length) return undefined;
    const right = left + 1;
    if (right >= this.#items.length) return left;
    return this.#rank(this.#items[right] as T) < this.#rank(this.#items[left] as T) ? right : left;
  }
}
