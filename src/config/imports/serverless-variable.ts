/** A stretch of a text: as it is, or a variable without its `${` and `}`. */
export interface Part {
  readonly kind: "text" | "variable";
  readonly text: string;
}

/** Takes a text apart at its outermost variables; one that is not closed is text. */
export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  let rest = text;
  for (;;) {
    const start = rest.indexOf("${");
    const end = start < 0 ? -1 : closing(rest, start + 2);
    if (end < 0) return rest === "" ? parts : [...parts, { kind: "text", text: rest }];
    if (start > 0) parts.push({ kind: "text", text: rest.slice(0, start) });
    parts.push({ kind: "variable", text: rest.slice(start + 2, end) });
    rest = rest.slice(end + 1);
  }
}

/** What a variable stands for: the first of these that has a value. */
export function alternativesIn(body: string): readonly string[] {
  const alternatives: string[] = [];
  let start = 0;
  for (const { at, character, depth } of outside(body, 0))
    if (character === "," && depth === 0) {
      alternatives.push(body.slice(start, at));
      start = at + 1;
    }
  return [...alternatives, body.slice(start)].map((alternative) => alternative.trim());
}

/** The value of an alternative that is written out: a text in quotes, a number, true, false or null. */
export function unquoted(text: string): { readonly value: string | number | boolean | null } | undefined {
  const [, , quoted] = /^(["'])(.*)\1$/s.exec(text) ?? [];
  if (quoted !== undefined) return { value: quoted };
  if (text === "true" || text === "false") return { value: text === "true" };
  if (text === "null") return { value: null };
  return /^-?\d+(?:\.\d+)?$/.test(text) ? { value: Number(text) } : undefined;
}

/** Where the brace of a variable is closed whose body begins at `from`; -1 where it is not. */
function closing(text: string, from: number): number {
  for (const { at, character, depth } of outside(text, from)) if (character === "}" && depth < 0) return at;
  return -1;
}

/** The characters that are in no quotes, each with how many variables are open after it. */
function* outside(text: string, from: number): Generator<{ readonly at: number; readonly character: string; readonly depth: number }> {
  let depth = 0;
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const character = text[at] ?? "";
    if (quote !== "") {
      if (character === quote) quote = "";
      continue;
    }
    if (character === '"' || character === "'") quote = character;
    else if (text.startsWith("${", at)) depth++;
    else if (character === "}") depth--;
    yield { at, character, depth };
  }
}
