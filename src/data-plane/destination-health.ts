import type { ErrorCode } from "../domain/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Route } from "../ports/state.ts";

/** Errors that say something of the destination as a whole. */
const DOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["StoreUnreachable", "RequestTimeout", "StoreError", "SlowDown"]);
/** So many in a row, and it is left alone for a while. */
const FAILURES_BEFORE_PAUSE = 3;
const PAUSE_INITIAL_MS = 1_000;
const PAUSE_MAX_MS = 30_000;

interface Health {
  readonly route: Route;
  underWay: number;
  failuresInARow: number;
  pausedUntil: number;
}

/**
 * Keeps one destination's trouble from the others (invariant 7): no route may hold more than its share of what is under way, and one that does
 * not answer is left alone, then tried with one task at a time. Its tasks wait meanwhile, without using up their attempts.
 */
export class DestinationHealth {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #routes = new Map<string, Health>();

  constructor(clock: Clock, concurrency: number) {
    this.#clock = clock;
    this.#concurrency = concurrency;
  }

  /** The routes that get no further tasks now. */
  skipped(): readonly Route[] {
    const now = this.#clock.now();
    const share = this.#routes.size < 2 ? this.#concurrency : Math.max(1, Math.floor(this.#concurrency / 2));
    const skipped: Route[] = [];
    for (const health of this.#routes.values()) {
      const ailing = health.failuresInARow >= FAILURES_BEFORE_PAUSE;
      if (now < health.pausedUntil || health.underWay >= (ailing ? 1 : share)) skipped.push(health.route);
    }
    return skipped;
  }

  /** Whether a route is to be tried with one task at a time. */
  get isAnyAiling(): boolean {
    return [...this.#routes.values()].some((health) => health.failuresInARow >= FAILURES_BEFORE_PAUSE);
  }

  /** When a route that is left alone may be tried again, in milliseconds since the epoch; undefined where none is. */
  nextTryAt(): number | undefined {
    const now = this.#clock.now();
    const times = [...this.#routes.values()].map((health) => health.pausedUntil).filter((time) => time > now);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  began(route: Route): void {
    this.#of(route).underWay++;
  }

  ended(route: Route, error: ErrorCode | undefined): void {
    const health = this.#of(route);
    health.underWay--;
    if (error === undefined || !DOWN.has(error)) {
      health.failuresInARow = 0;
      health.pausedUntil = 0;
      return;
    }
    // What was under way when the pause began fails with it: that is one outage, not one more failure each.
    if (this.#clock.now() < health.pausedUntil) return;
    health.failuresInARow++;
    const over = health.failuresInARow - FAILURES_BEFORE_PAUSE;
    if (over >= 0) health.pausedUntil = this.#clock.now() + Math.min(PAUSE_MAX_MS, PAUSE_INITIAL_MS * 2 ** Math.min(over, 10));
  }

  #of(route: Route): Health {
    const id = `${route.rule} ${route.source} ${route.destination}`;
    const health = this.#routes.get(id) ?? { route, underWay: 0, failuresInARow: 0, pausedUntil: 0 };
    this.#routes.set(id, health);
    return health;
  }
}
