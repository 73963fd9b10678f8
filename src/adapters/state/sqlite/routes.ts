import type { Route } from "../../../ports/state.ts";
import type { RouteCells } from "./wire.ts";

/** Routes by the small number that stands for them in every row. */
export class Routes {
  readonly #byId = new Map<number, Route>();
  readonly #ids = new Map<string, number>();
  /** Callers pass the same few objects again and again; this spares building the text. */
  readonly #known = new WeakMap<Route, number>();
  #unsaved: RouteCells[] = [];

  /** Takes in what is stored. */
  load(rows: readonly RouteCells[]): void {
    for (const [id, rule, source, destination] of rows) this.#add(id, { rule, source, destination });
  }

  /** Returns the route's number, giving it one if it has none; the next commit writes it. */
  intern(route: Route): number {
    return this.#known.get(route) ?? this.find(route) ?? this.#invent(route);
  }

  find(route: Route): number | undefined {
    const id = this.#ids.get(textOf(route));
    if (id !== undefined) this.#known.set(route, id);
    return id;
  }

  get(id: number): Route | undefined {
    return this.#byId.get(id);
  }

  entries(): readonly (readonly [number, Route])[] {
    return [...this.#byId];
  }

  unsaved(): readonly RouteCells[] {
    return this.#unsaved;
  }

  markSaved(saved: readonly RouteCells[]): void {
    this.#unsaved = this.#unsaved.filter((route) => !saved.includes(route));
  }

  #invent({ rule, source, destination }: Route): number {
    const id = Math.max(0, ...this.#byId.keys()) + 1;
    this.#add(id, { rule, source, destination });
    this.#unsaved = [...this.#unsaved, [id, rule, source, destination]];
    return id;
  }

  #add(id: number, route: Route): void {
    this.#byId.set(id, route);
    this.#ids.set(textOf(route), id);
    this.#known.set(route, id);
  }
}

function textOf({ rule, source, destination }: Route): string {
  return JSON.stringify([rule, source, destination]);
}
