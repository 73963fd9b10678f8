/**
 * Numbers that follow from a seed and a name alone: leaving one operation or fault out of a run changes no number that another one draws.
 * That is what lets a failing run be shrunk.
 */
export class Chance {
  readonly #seed: number;

  constructor(seed: number | string) {
    this.#seed = typeof seed === "number" ? mix(seed ^ 0x9e3779b9) : hash(0, seed);
  }

  /** A number in [0, 1). */
  draw(name: string): number {
    return hash(this.#seed, name) / 2 ** 32;
  }

  /** A whole number from `from` up to and with `to`. */
  whole(name: string, [from, to]: readonly [number, number]): number {
    return from + Math.floor(this.draw(name) * (to - from + 1));
  }

  /** True with this probability. */
  hits(name: string, probability: number): boolean {
    return this.draw(name) < probability;
  }

  pick<T>(name: string, from: readonly T[]): T {
    const picked = from[Math.floor(this.draw(name) * from.length)];
    if (picked === undefined) throw new RangeError(`nothing to pick ${name} from`);
    return picked;
  }

  /** Draws of its own, for a part of the run. */
  of(name: string): Chance {
    return new Chance(hash(this.#seed, name));
  }

  /** What the engine is given for `Math.random`: one number after the other. */
  stream(name: string): () => number {
    let drawn = 0;
    const own = this.of(name);
    return () => own.draw(`${drawn++}`);
  }
}

/** FNV-1a over the name's code units, then MurmurHash3's finalizer, so that names which differ little draw numbers that differ much. */
function hash(seed: number, name: string): number {
  let value = seed ^ 0x811c9dc5;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
  return mix(value);
}

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
