import { LATER_KEYS } from "./later.ts";
import { nearest } from "./nearest.ts";
import { type Finding, formatPath, type Path } from "./problem.ts";
import { CASE_ONLY, knownKeys, MISSING_SIDE, type SchemaIssue, TOO_FEW_MEMBERS, TWO_FORMS } from "./schema.ts";

/** Says in people's words what the schema holds against a config, each with a hint. */
export function describeIssues(issues: readonly SchemaIssue[]): readonly Finding[] {
  return issues.flatMap((issue) =>
    issue.unknownKeys.length > 0 ? issue.unknownKeys.map((key) => unknownKey(issue.path, key)) : [describe(issue)],
  );
}

function unknownKey(path: Path, key: string): Finding {
  if (key === "prefix" && path.includes("mesh")) {
    const hint = "keys are the same at every member: write filter.prefix to replicate a part of them";
    return { path: [...path, key], message: "a member of a mesh has no prefix", hint, atKey: true };
  }
  const known = knownKeys(path);
  const guess = nearest(key, [...known, ...LATER_KEYS]);
  const place = path.length === 0 ? "at the top" : `in ${formatPath(path)}`;
  const hint = guess === undefined ? `known ${place}: ${known.join(", ")}` : `did you mean "${guess}"?`;
  return { path: [...path, key], message: `unknown key "${key}"`, hint, atKey: true };
}

function describe({ path, code, message }: SchemaIssue): Finding {
  const last = path.at(-1);
  if (message.endsWith("received undefined")) {
    const what = /expected (\w+)/.exec(message)?.[1] ?? "value";
    return { path, message: "is missing", hint: `add "${last}" with a ${what === "array" ? "list" : what} here` };
  }
  if (message === MISSING_SIDE)
    return { path, message, hint: `add "${last}" here, or write mesh: [...] in place of source and destinations` };
  if (message === TWO_FORMS) return { path, message, hint: "a rule has either a source and destinations or a mesh: keep one", atKey: true };
  if (code === "invalid_key" || message.endsWith(CASE_ONLY)) return { path, message, hint: "rename it", atKey: true };
  return { path, message, hint: hintFor(message) };
}

function hintFor(message: string): string {
  if (message === TOO_FEW_MEMBERS) return "a mesh is a list of buckets, each replicated to all others";
  if (/expected string, received (?:number|boolean)/.test(message)) return "put the value in quotes";
  if (/received null/.test(message)) return "give it a value, or remove the key";
  if (/expected one of/.test(message)) return "write one of these";
  return "correct the value; replicast config --schema prints what may stand here";
}
