import type { Destination, Engine, Rule } from "../domain/rule.ts";
import { identity, interiorBuckets } from "./interior.ts";

/** What a person should know of one source → destination pair: that it is of a mesh or meets other writers, its deletes, what it carries on. */
export function pairNotes(rule: Rule, destination: Destination, { rules, engine = "copy" }: Among): readonly string[] {
  const versioned = engine === "native" ? ["every version is replicated"] : versions(rule);
  return [...standing(rule, destination, { rules, engine }), ...deletes(rule), ...versioned, ...transit(rule, rules)];
}

/** What a pair is seen among. */
export interface Among {
  readonly rules: readonly Rule[];
  /** The one that serves the pair. @defaultValue copy */
  readonly engine?: Engine | undefined;
}

function standing(rule: Rule, { bucket }: Destination, { rules, engine }: Among): readonly string[] {
  const policy = engine === "native" ? "" : `, conflict: ${rule.conflict}`;
  if (rule.mesh !== undefined) return [`mesh of ${rule.mesh.length}${policy}`];
  if (!interiorBuckets(rules).has(identity(bucket))) return [];
  return [`${bucket.name} is interior: it is also a source${policy}`];
}

function deletes({ deletes: mode, expirations, unsafeDeletes }: Rule): readonly string[] {
  if (mode === "none") return [];
  const what = mode === "markers" ? "delete markers are replicated" : "deletes are replicated";
  const notes = [`${what} (deletes: ${mode}), lifecycle expirations ${expirations ? "too" : "are not"}`];
  return unsafeDeletes ? [...notes, "deletes are made without a condition where there can be none (unsafe)"] : notes;
}

function versions(rule: Rule): readonly string[] {
  return rule.versions === "all" ? ["every version is copied (versions: all)"] : [];
}

/** Only a source that other rules write to has anything to carry on; what members of a mesh wrote is the mesh's own either way. */
function transit(rule: Rule, rules: readonly Rule[]): readonly string[] {
  const writers = rules.filter(
    (other) =>
      other.id !== rule.id &&
      !rule.mesh?.includes(other.source.id) &&
      other.destinations.some(({ bucket }) => identity(bucket) === identity(rule.source)),
  );
  if (writers.length === 0) return [];
  const brought = `what ${[...new Set(writers.map(({ id }) => id))].join(", ")} brought to ${rule.source.name}`;
  return [rule.transit ? `${brought} is carried on (transit: true)` : `${brought} stays there (transit: false)`];
}
