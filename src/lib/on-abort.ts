const hubs = new WeakMap<AbortSignal, AbortHub>();

/**
 * Calls back, once, when the signal is aborted, or at once where it is; the callback must not throw. Returns what ends the waiting.
 *
 * All that wait for one signal share one listener: Node compares a new listener with each that is there, and a worker has hundreds of requests
 * under way that end by the same signal.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  const hub = hubs.get(signal) ?? new AbortHub(signal);
  hubs.set(signal, hub);
  return hub.add(callback);
}

function nothing(): void {}

/** Listens only while somebody waits: a signal that is listened to is kept in memory. */
class AbortHub {
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<{ callback: () => void }>();
  readonly #tell = (): void => {
    const told = [...this.#waiting];
    this.#waiting.clear();
    for (const { callback } of told) callback();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(callback: () => void): () => void {
    // An object of its own, so that the same callback can wait twice.
    const entry = { callback };
    if (this.#waiting.size === 0) this.#signal.addEventListener("abort", this.#tell, { once: true });
    this.#waiting.add(entry);
    return () => {
      // What a set has let go may live on in a table that it has outgrown: nothing large is to hang on it.
      entry.callback = nothing;
      if (this.#waiting.delete(entry) && this.#waiting.size === 0) this.#signal.removeEventListener("abort", this.#tell);
    };
  }
}
