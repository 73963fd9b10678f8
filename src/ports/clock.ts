/** Time as the planes see it; tests and simulations bring their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts. Keeps the process alive: whoever waits has not finished. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** As {@link sleep}, but a process that has nothing else to do may end before. Absent: the same as sleep. */
  doze?(ms: number, signal?: AbortSignal): Promise<void>;
}
