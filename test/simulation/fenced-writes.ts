import type { LeasedTask } from "../../src/ports/state.ts";
import type { Transfer } from "../../src/ports/transfer.ts";
import type { Actor } from "./scheduler.ts";

interface Attempt {
  readonly actor: Actor;
  readonly source: string;
  readonly key: string;
  /** Leases of the tasks of its object when it began, by task. */
  readonly leases: ReadonlyMap<string, string>;
}

/** Follows leases, and tells which changes are made by workers that have lost theirs (invariant 10). */
export class FencedWrites {
  readonly #leases = new Map<string, string>();
  readonly #objects = new Map<string, Set<string>>();
  readonly #open = new Set<Attempt>();

  claimed(task: LeasedTask): void {
    const id = idOf(task);
    this.#leases.set(id, task.lease);
    const object = objectOf(task.route.source, task.key);
    this.#objects.set(object, (this.#objects.get(object) ?? new Set()).add(id));
  }

  /** An outcome was recorded; false where another holds the task by now. */
  recorded(task: LeasedTask): boolean {
    const id = idOf(task);
    const held = this.#leases.get(id) === task.lease;
    if (held) this.#leases.delete(id);
    return held;
  }

  lost(): void {
    this.#leases.clear();
  }

  /** The transfer of one process, with each copy known from its beginning to its end. */
  through(actor: Actor, transfer: Transfer): Transfer {
    return { copy: (request) => this.during({ actor, source: request.source.id, key: request.key }, () => transfer.copy(request)) };
  }

  async during<T>(of: Omit<Attempt, "leases">, act: () => Promise<T>): Promise<T> {
    const tasks = [...(this.#objects.get(objectOf(of.source, of.key)) ?? [])];
    const leases = new Map(tasks.flatMap((id) => (this.#leases.has(id) ? [[id, this.#leases.get(id) ?? ""] as const] : [])));
    const attempt = { ...of, leases };
    this.#open.add(attempt);
    try {
      return await act();
    } finally {
      this.#open.delete(attempt);
    }
  }

  /** Whether a change at this bucket now, under a key or one that a rule put a prefix before, may be one by a worker that lost its lease. */
  mayBeFenced(bucket: string, key: string): boolean {
    return [...this.#open].some(
      (attempt) =>
        attempt.actor.alive && key.endsWith(attempt.key) && [...attempt.leases].some(([id, lease]) => this.#isLost(id, lease, bucket)),
    );
  }

  #isLost(id: string, lease: string, bucket: string): boolean {
    return id.split(" ")[2]?.startsWith(bucket) === true && this.#leases.get(id) !== lease;
  }
}

function idOf({ route, key }: LeasedTask): string {
  return `${route.rule} ${route.source} ${route.destination} ${key}`;
}

function objectOf(source: string, key: string): string {
  return `${source} ${key}`;
}
