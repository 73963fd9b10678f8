import { LATER_KEYS } from "./later.ts";
import { nearest } from "./nearest.ts";
import { type Finding, formatPath, type Path } from "./problem.ts";
import { knownKeys, type SchemaIssue } from "./schema.ts";

/** Says in people's words what the schema holds against a config, each with a hint. */
export function describeIssues(issues: readonly SchemaIssue[]): readonly Finding[] {
  return issues.flatMap((issue) =>
    issue.unknownKeys.length > 0 ? issue.unknownKeys.map((key) => unknownKey(issue.path, key)) : [describe(issue)],
  );
}

function unknownKey(path: Path, key: string): Finding {
  const known = knownKeys(path);
  const guess = nearest(key, [...known, ...LATER_KEYS]);
  const place = path.length === 0 ? "at the top" : `in ${formatPath(path)}`;
  const hint = guess === undefined ? `known ${place}: ${known.join(", ")}` : `did you mean "${guess}"?`;
  return { path: [...path, key], message: `unknown key "${key}"`, hint, atKey: true };
}

function describe({ path, code, message }: SchemaIssue): Finding {
  const last = path.at(-1);
  if (message.endsWith("received undefined")) {
    if (last === "queueUrl")
      return { path, message: "is missing: this version makes no queues", hint: "add the queueUrl of a queue that is there" };
    const what = /expected (\w+)/.exec(message)?.[1] ?? "value";
    return { path, message: "is missing", hint: `add "${last}" with a ${what === "array" ? "list" : what} here` };
  }
  if (code === "invalid_key") return { path, message, hint: "rename it", atKey: true };
  return { path, message, hint: hintFor(message) };
}

function hintFor(message: string): string {
  if (/expected string, received (?:number|boolean)/.test(message)) return "put the value in quotes";
  if (/received null/.test(message)) return "give it a value, or remove the key";
  if (/expected one of/.test(message)) return "write one of these";
  return "correct the value; replicast config --schema prints what may stand here";
}
