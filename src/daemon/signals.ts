/** What the process was told to do. */
export interface StopSignals {
  /** Aborts at the first SIGINT or SIGTERM: drain. */
  readonly drain: AbortSignal;
  /** Aborts at a second one, 500 ms or more later: end now. Its reason is the conventional exit status, 130 or 143. */
  readonly abort: AbortSignal;
  /** Stops listening. */
  release(): void;
}

/** A wrapper (npx, a shell's process group) may pass one Ctrl-C on twice: what follows at once is the same wish. */
const SAME_WISH_MS = 500;

/** Listens to the process's signals: the one place where it is done for a daemon. */
export function listenToSignals(): StopSignals {
  const drain = new AbortController();
  const abort = new AbortController();
  let firstAt = 0;
  const onSignal = (name: NodeJS.Signals) => {
    const now = performance.now();
    if (!drain.signal.aborted) {
      firstAt = now;
      drain.abort();
    } else if (now - firstAt >= SAME_WISH_MS) abort.abort(name === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    drain: drain.signal,
    abort: abort.signal,
    release() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
