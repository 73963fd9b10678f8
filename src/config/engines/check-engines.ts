import type { PlacedRule } from "../placed-rule.ts";
import type { Finding, Path } from "../problem.ts";
import { type Candidate, type EngineGroup, engineGroups, meetingPlace } from "./engine-groups.ts";
import type { Leg } from "./native-terms.ts";

/** A direction of a rule of the file, with where it stands there. */
export type PlacedLeg = PlacedRule &
  Leg & {
    /** Where settings were written that mean something to S3's own replication only. */
    readonly nativeOnly: readonly Path[];
  };

/** Finds rules that say native where S3 cannot serve them, or where copy serves their neighbours, and settings that copy does not know. */
export function checkEngines(legs: readonly PlacedLeg[]): readonly Finding[] {
  const pathOf = new Map(legs.map(({ rule, path }) => [rule.id, path]));
  return engineGroups(legs).flatMap((group) => [
    ...group.candidates.flatMap((candidate) => checkNative(candidate, group, pathOf.get(candidate.id) ?? [])),
    ...checkSettings(group, legs),
  ]);
}

function checkNative(candidate: Candidate, { copied }: EngineGroup, path: Path): readonly Finding[] {
  if (candidate.engine !== "native") return [];
  const at = [...path, "engine"];
  if (candidate.reasons.length > 0) {
    const message = `native cannot serve this rule: ${candidate.reasons.join("; ")}`;
    return [{ path: at, message, hint: "write engine: copy, or leave out what S3 cannot do" }];
  }
  if (copied === undefined) return [];
  const bucket = meetingPlace(candidate, copied)?.name;
  const message = `native cannot stand beside rule ${copied.id}, which is served by copy${bucket === undefined ? "" : ` and meets it in ${bucket}`}`;
  return [{ path: at, message, hint: "each would carry on what the other wrote: give rules that meet in a bucket one engine" }];
}

function checkSettings({ candidates, copied }: EngineGroup, legs: readonly PlacedLeg[]): readonly Finding[] {
  if (copied === undefined) return [];
  const ids = new Set(candidates.filter(({ engine }) => engine !== "native").map(({ id }) => id));
  const reason = copied.reasons[0] ?? `rule ${copied.id} says engine: copy`;
  const paths = legs.filter(({ rule }) => ids.has(rule.id)).flatMap(({ nativeOnly }) => nativeOnly);
  return paths.map((path) => ({
    path,
    message: `has no effect: the rule is served by copy, because ${reason}`,
    hint: "remove it, or let the rule be one that S3 can serve",
    atKey: true,
  }));
}
