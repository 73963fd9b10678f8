import type { Destination, Rule } from "../domain/rule.ts";
import type { Route } from "../ports/state.ts";
import { toRoute } from "./diff.ts";
import type { Aim } from "./replicate.ts";

/** The rules of the config, found by what tasks and events name. Disabled rules are in it, but nothing routes to them. */
export class RuleIndex {
  readonly rules: readonly Rule[];
  readonly #aims = new Map<string, Aim>();
  readonly #routes = new Map<Destination, Route>();
  readonly #bySource = new Map<string, Rule[]>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
    for (const rule of rules) this.#add(rule);
  }

  /** The rule and destination behind a task's route; undefined once the config has neither. */
  aimOf({ rule, destination }: Route): Aim | undefined {
    return this.#aims.get(`${rule} ${destination}`);
  }

  routeOf(rule: Rule, destination: Destination): Route {
    const route = this.#routes.get(destination);
    return route?.rule === rule.id ? route : toRoute(rule, destination); // rules may share a destination
  }

  /** The enabled rules whose source is this bucket of this store. */
  rulesOf(store: string, bucket: string): readonly Rule[] {
    return this.#bySource.get(`${store} ${bucket}`) ?? [];
  }

  #add(rule: Rule): void {
    for (const destination of rule.destinations) {
      this.#aims.set(`${rule.id} ${destination.canonicalId}`, { rule, destination });
      this.#routes.set(destination, toRoute(rule, destination));
    }
    if (!rule.enabled) return;
    const source = `${rule.source.store} ${rule.source.bucket}`;
    this.#bySource.set(source, [...(this.#bySource.get(source) ?? []), rule]);
  }
}
