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
  readonly #sources = new Set<string>();
  readonly #destinations = new Set<string>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
    for (const rule of rules) this.#add(rule);
  }

  /** The rule and destination behind a task's route; undefined once the config has neither. */
  aimOf({ rule, source, destination }: Route): Aim | undefined {
    return this.#aims.get(`${rule} ${source} ${destination}`);
  }

  /** Whether a bucket is both a destination and a source: what arrives there may travel on, so that it matters who wrote it. */
  isInterior(bucket: string): boolean {
    return this.#sources.has(bucket) && this.#destinations.has(bucket);
  }

  /** Whether an object on this way can meet another writer's, or be a replica itself. All other ways end in leaves and are quick. */
  passesInterior({ rule, destination }: Aim): boolean {
    return this.isInterior(rule.source.id) || this.isInterior(destination.bucket.id);
  }

  /** The way from one member of a mesh to another; undefined where the rule has none. */
  legOf(rule: string, source: string, destination: string): Aim | undefined {
    return this.#aims.get(`${rule} ${source} ${destination}`);
  }

  routeOf(rule: Rule, destination: Destination): Route {
    const route = this.#routes.get(destination);
    return route?.rule === rule.id && route.source === rule.source.id ? route : toRoute(rule, destination); // rules may share a destination
  }

  /** The enabled rules whose source is this bucket of this store. */
  rulesOf(store: string, bucket: string): readonly Rule[] {
    return this.#bySource.get(`${store} ${bucket}`) ?? [];
  }

  #add(rule: Rule): void {
    this.#sources.add(rule.source.id);
    for (const destination of rule.destinations) {
      this.#destinations.add(destination.bucket.id);
      this.#aims.set(`${rule.id} ${rule.source.id} ${destination.canonicalId}`, { rule, destination });
      this.#routes.set(destination, toRoute(rule, destination));
    }
    if (!rule.enabled) return;
    const source = `${rule.source.store} ${rule.source.bucket}`;
    this.#bySource.set(source, [...(this.#bySource.get(source) ?? []), rule]);
  }
}
