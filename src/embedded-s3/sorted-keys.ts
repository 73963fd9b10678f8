import { compareKeys } from "../domain/object.ts";

/** Where a block is split: small enough that an insert moves little, large enough that a million keys are a few thousand blocks. */
const BLOCK_KEYS = 512;

/** A set of keys in the order of their UTF-8 bytes. Adding, removing and seeking cost about the logarithm of its size. */
export class SortedKeys {
  readonly #blocks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: string): void {
    const block = this.#blocks[this.#blockFor(key)];
    if (block === undefined) {
      this.#blocks.push([key]);
      this.#size++;
      return;
    }
    const index = firstIndex(block.length, (i) => compareKeys(block[i] as string, key) < 0);
    if (block[index] === key) return;
    block.splice(index, 0, key);
    this.#size++;
    if (block.length > BLOCK_KEYS) this.#blocks.splice(this.#blocks.indexOf(block) + 1, 0, block.splice(block.length >> 1));
  }

  delete(key: string): void {
    const blockIndex = this.#blockFor(key);
    const block = this.#blocks[blockIndex];
    if (block === undefined) return;
    const index = firstIndex(block.length, (i) => compareKeys(block[i] as string, key) < 0);
    if (block[index] !== key) return;
    block.splice(index, 1);
    this.#size--;
    if (block.length === 0) this.#blocks.splice(blockIndex, 1);
  }

  /**
   * Yields the keys in order from the first that `isBefore` is false for. `isBefore` must be true for a first stretch of the order and false
   * for all that follows it; the set must not change while the walk goes on.
   */
  *from(isBefore: (key: string) => boolean): Generator<string, undefined> {
    let blockIndex = firstIndex(this.#blocks.length, (i) => isBefore((this.#blocks[i] as string[]).at(-1) as string));
    const first = this.#blocks[blockIndex];
    let index = first === undefined ? 0 : firstIndex(first.length, (i) => isBefore(first[i] as string));
    for (; blockIndex < this.#blocks.length; blockIndex++, index = 0) {
      const block = this.#blocks[blockIndex] as string[];
      for (; index < block.length; index++) yield block[index] as string;
    }
    return undefined;
  }

  /** The first block that ends at or after the key; the last one where none does. */
  #blockFor(key: string): number {
    const last = this.#blocks.length - 1;
    return Math.max(
      0,
      firstIndex(last, (i) => compareKeys((this.#blocks[i] as string[]).at(-1) as string, key) < 0),
    );
  }
}

/** The first index below `length` that `isBefore` is false for, or `length`. */
function firstIndex(length: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
