/** The last part of what a process printed: bounded, so that a server that logs for hours costs nothing. */
export class LogRing {
  readonly #limit: number;
  #chunks: string[] = [];
  #size = 0;

  /** @param limit characters kept at least; up to one chunk more may be held. */
  constructor(limit = 64_000) {
    this.#limit = limit;
  }

  add(chunk: string): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#chunks.length > 1 && this.#size - (this.#chunks[0]?.length ?? 0) >= this.#limit)
      this.#size -= this.#chunks.shift()?.length ?? 0;
  }

  text(): string {
    return this.#chunks.join("");
  }

  tail(lines = 40): string {
    return this.text().trimEnd().split("\n").slice(-lines).join("\n");
  }
}
