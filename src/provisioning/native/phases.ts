import type { Step } from "../change.ts";

/** Steps by when they may be made: all of one phase before any of the next. */
export interface Phases {
  readonly buckets: readonly Step[];
  /** Of all buckets before any rule: two-way replication needs both sides. */
  readonly versioning: readonly Step[];
  readonly roles: readonly Step[];
  /** Of destination buckets and keys: a rule whose replicas are refused loses them. */
  readonly policies: readonly Step[];
  /** The replication documents. */
  readonly rules: readonly Step[];
  /** What no rule needs any more: never before the rules are gone. */
  readonly leftovers: readonly Step[];
}

export const NO_STEPS: Phases = { buckets: [], versioning: [], roles: [], policies: [], rules: [], leftovers: [] };

export function together(all: readonly Partial<Phases>[]): Phases {
  const of = (phase: keyof Phases) => all.flatMap((phases) => phases[phase] ?? []);
  return {
    buckets: of("buckets"),
    versioning: of("versioning"),
    roles: of("roles"),
    policies: of("policies"),
    rules: of("rules"),
    leftovers: of("leftovers"),
  };
}
