import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type Scalar, type YAMLError } from "yaml";
import { type InterpolationScope, interpolate } from "./interpolation.ts";
import { type Finding, formatPath, type Path } from "./problem.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML (or JSON) text as plain values, with where each of them stands. */
export interface YamlDocument {
  readonly value: unknown;
  /** By formatted path. */
  readonly positions: ReadonlyMap<string, { readonly key: Position; readonly value: Position }>;
  readonly findings: readonly Finding[];
  /** What the text itself got wrong; nothing else can be said about it then. */
  readonly syntax: readonly (Position & { readonly message: string })[];
  /** Values that must not be repeated in a message. */
  readonly secrets: readonly string[];
}

type Positions = Map<string, { key: Position; value: Position }>;

interface Walk {
  readonly scope: InterpolationScope;
  readonly lines: LineCounter;
  readonly resolve: (node: unknown) => unknown;
  readonly positions: Positions;
  readonly findings: Finding[];
  readonly secrets: string[];
  /** Nodes that may still be visited: aliases can multiply a small text without end. */
  budget: number;
  isTooMuch: boolean;
}

const MAX_NODES = 100_000;
/** Deeper than any config is; an alias may lead into itself. */
const MAX_DEPTH = 100;

/** Reads a text. `${…}` is replaced in string values only after the text has been parsed, so that no value can change its structure. */
export function parseYaml(text: string, scope: InterpolationScope): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, version: "1.2" });
  const positions: Positions = new Map();
  const findings: Finding[] = [];
  const secrets: string[] = [];
  const syntax = [...document.errors, ...document.warnings].map((error) => syntaxError(error, lines));
  const resolve = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
  const walk: Walk = { scope, lines, resolve, positions, findings, secrets, budget: MAX_NODES, isTooMuch: false };
  const value = syntax.length > 0 ? undefined : visit(document.contents, [], walk);
  return { value, positions, findings, syntax, secrets };
}

function visit(node: unknown, path: Path, walk: Walk): unknown {
  const target = walk.resolve(node);
  place(node, path, walk);
  if (walk.budget <= 0 || path.length > MAX_DEPTH) {
    if (!walk.isTooMuch)
      walk.findings.push({ path: [], message: "is too large, or repeats itself by an alias", hint: "write the values out" });
    walk.isTooMuch = true;
    walk.budget = 0;
    return undefined;
  }
  walk.budget--;
  if (isMap(target)) return Object.fromEntries(target.items.map((pair) => entry(pair, path, walk)));
  if (isSeq(target)) return target.items.map((item, index) => visit(item, [...path, index], walk));
  return isScalar(target) ? scalar(target, path, walk) : undefined;
}

function entry(pair: Pair, path: Path, walk: Walk): [string, unknown] {
  const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
  const value = visit(pair.value, [...path, key], walk);
  const keyPosition = positionOf(pair.key, walk);
  const text = formatPath([...path, key]);
  if (keyPosition !== undefined) walk.positions.set(text, { key: keyPosition, value: walk.positions.get(text)?.value ?? keyPosition });
  return [key, value];
}

function scalar(node: Scalar, path: Path, walk: Walk): unknown {
  if (typeof node.value !== "string" || !node.value.includes("${")) return node.value;
  const { text, problems, secrets } = interpolate(node.value, walk.scope);
  walk.secrets.push(...secrets);
  walk.findings.push(...problems.map((problem) => ({ path, ...problem })));
  return text;
}

function place(node: unknown, path: Path, walk: Walk): void {
  const position = positionOf(node, walk);
  if (position !== undefined) walk.positions.set(formatPath(path), { key: position, value: position });
}

function positionOf(node: unknown, walk: Walk): Position | undefined {
  const range = typeof node === "object" && node !== null && "range" in node ? node.range : undefined;
  if (!Array.isArray(range)) return undefined;
  return toPosition(walk.lines, Number(range[0]));
}

function syntaxError(error: YAMLError, lines: LineCounter): Position & { readonly message: string } {
  return { ...toPosition(lines, error.pos[0]), message: error.code === "DUPLICATE_KEY" ? "the same key twice in one map" : error.message };
}

function toPosition(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}
