/**
 * Runs at most `size` pieces of work at a time. `add` resolves when there is room for the next, so that whoever finds work faster than it can
 * be done is held back and memory stays bounded.
 */
export class WorkPool {
  readonly #size: number;
  #running = 0;
  #error: unknown;
  #failed = false;
  #wake: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Starts the work at once and returns a promise only where the pool is then full. An error thrown by any work is thrown here and by idle. */
  add(work: () => Promise<void>): Promise<void> | undefined {
    if (this.#failed) throw this.#error;
    this.#running++;
    work().then(
      () => this.#done(),
      (error: unknown) => {
        this.#error = error;
        this.#failed = true;
        this.#done();
      },
    );
    return this.#running < this.#size ? undefined : this.#until(() => this.#running < this.#size);
  }

  /** Resolves when nothing runs any more. */
  async idle(): Promise<void> {
    await this.#until(() => this.#running === 0);
    if (this.#failed) throw this.#error;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #done(): void {
    this.#running--;
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
