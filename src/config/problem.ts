import { ReplicationError } from "../domain/error.ts";

export type Path = readonly (string | number)[];

/** One thing that is wrong with a config, with where it stands and what to do. Never holds a secret. */
export interface Problem {
  /** `rules[0].destinations[1].bucket`; '' for the whole file. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
  /** From 1; absent for what came from the environment or a flag. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** A problem before its place in the file is known. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly hint: string;
  /** Points at the key of the last step instead of its value. */
  readonly atKey?: boolean | undefined;
}

/** Prints a path as people write it: `rules[0].id`; keys that are no words are quoted: `stores["a b"]`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w$-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Prints a problem in two lines: where and what, then the hint. */
export function formatProblem(problem: Problem, file: string): string {
  const place = problem.line === undefined ? "" : `${file}:${problem.line}:${problem.column}: `;
  const path = problem.path === "" ? "" : `${problem.path}: `;
  return `${place}${path}${problem.message}\n    ${problem.hint}`;
}

/** The error that carries every problem in its message, one after the other. */
export function problemsError(problems: readonly Problem[], file: string): ReplicationError {
  const lines = problems.map((problem) => `  ${formatProblem(problem, file)}`);
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  const hint = "correct the lines named above, then run replicast validate";
  return new ReplicationError("ConfigInvalid", `${file} has ${count}\n${lines.join("\n")}`, { hint });
}
