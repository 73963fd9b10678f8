import type { Environment } from "./resolved-config.ts";

/** Where `${…}` is looked up. */
export interface InterpolationScope {
  readonly env: Environment;
  /** Returns the text of a file; throws where it cannot be read. */
  readonly readFile: (path: string) => string;
}

export interface Interpolated {
  readonly text: string;
  readonly problems: readonly { readonly message: string; readonly hint: string }[];
  /** Values that must not be repeated in a message: from files, and from variables that sound secret. */
  readonly secrets: readonly string[];
}

const EXPRESSION = /\$\$(?=\{)|\$\{([^}]*)\}?/g;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;
const SOUNDS_SECRET = /SECRET|TOKEN|PASS|PWD|KEY|CREDENTIAL/i;

/**
 * Replaces `${VAR}`, `${VAR:-default}` (also where VAR is empty) and `${file:/path}` (without the last line break) in one scalar; `$${` stands
 * for `${`. What was put in is not looked at again. A problem leaves the expression out.
 */
export function interpolate(text: string, scope: InterpolationScope): Interpolated {
  const problems: { message: string; hint: string }[] = [];
  const secrets: string[] = [];
  const replaced = text.replace(EXPRESSION, (all: string, body: string | undefined) => {
    if (body === undefined) return "$";
    const value = all.endsWith("}") ? evaluate(body, scope) : malformed(all);
    if (value.problem !== undefined) problems.push(value.problem);
    if (value.secret === true && value.text !== "") secrets.push(value.text);
    return value.text;
  });
  return { text: replaced, problems, secrets };
}

interface Evaluated {
  readonly text: string;
  readonly secret?: boolean;
  readonly problem?: { readonly message: string; readonly hint: string };
}

function evaluate(body: string, scope: InterpolationScope): Evaluated {
  if (body.startsWith("file:")) return fromFile(body.slice("file:".length), scope);
  const [, name, fallback] = VARIABLE.exec(body) ?? [];
  if (name === undefined || fallback?.includes("${")) return malformed(`\${${body}}`);
  const value = scope.env[name];
  const secret = SOUNDS_SECRET.test(name);
  if (fallback !== undefined) return { text: value || fallback, secret };
  if (value !== undefined) return { text: value, secret };
  return { text: "", problem: { message: `\${${name}} is not set`, hint: `set ${name}, or give a default: \${${name}:-…}` } };
}

function fromFile(path: string, scope: InterpolationScope): Evaluated {
  try {
    return { text: scope.readFile(path).replace(/\r?\n$/, ""), secret: true };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    return { text: "", problem: { message: `the file ${path} cannot be read${code}`, hint: "check its name and its permissions" } };
  }
}

function malformed(expression: string): Evaluated {
  const hint = `write \${VAR}, \${VAR:-default} or \${file:/path}; $\${ stands for a literal \${`;
  return { text: "", problem: { message: `"${expression}" cannot be read`, hint } };
}
