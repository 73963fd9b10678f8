import { isMap } from "./precedence.ts";
import type { Finding, Path } from "./problem.ts";

/**
 * What later releases will read. It is known by name and refused where a person wrote it, so that nothing is ever silently ignored; a value that
 * asks for nothing (`accepts`) is taken out before the schema sees the rest.
 */
interface Later {
  readonly key: string;
  readonly accepts?: readonly unknown[];
  /** Names only these values; any other than them is a plain mistake, left to `accepts`. */
  readonly refuses?: readonly unknown[];
  /** Leaves accepted values for the schema to read. */
  readonly keep?: boolean;
  readonly hint?: string;
}

const REMOVE = "remove it; this version does without";

const TOP: readonly Later[] = [
  { key: "runtime", accepts: ["standalone"], refuses: ["cluster", "aws"], keep: true, hint: "write runtime: standalone, or leave it out" },
  { key: "alerts", accepts: [[]], hint: "remove it; watch the metrics instead" },
  { key: "autopilot" },
  { key: "unsafe", accepts: [[]] },
];

const STORE: readonly Later[] = [{ key: "account" }];

const STORE_LIMITS: readonly Later[] = [
  { key: "concurrency", hint: "set maxConnections on the store, or limits.concurrency for all" },
  { key: "bandwidth", hint: "set limits.bandwidth for all stores" },
];

const RULE: readonly Later[] = [{ key: "limits", hint: "set limits for all rules, or requestsPerSecond on a store" }];

/** The words of every later key, for telling a slip of the pen from a feature. */
export const LATER_KEYS: readonly string[] = [...new Set([TOP, RULE].flat().map((later) => later.key))];

/** What asks for nothing and is therefore accepted, by the place of its map in a config (`*` for any index). */
export function acceptedLater(): readonly { readonly path: Path; readonly key: string; readonly values: readonly unknown[] }[] {
  const rule = ["rules", "*"];
  const places: readonly (readonly [Path, readonly Later[]])[] = [
    [[], TOP],
    [rule, RULE],
  ];
  return places.flatMap(([path, table]) =>
    table.flatMap(({ key, keep, accepts }) => (keep || accepts === undefined ? [] : [{ path, key, values: accepts }])),
  );
}

export interface WithoutLater {
  /** The same config without what later releases will read. */
  readonly value: unknown;
  readonly findings: readonly Finding[];
}

/** Says of what this version lacks. */
export function notAvailable(what: string): string {
  return `${what} is not available in this version of replicast`;
}

/** Refuses, by name, what a config asks of later releases, and takes it out together with what asks for nothing. */
export function refuseLater(config: unknown): WithoutLater {
  const findings: Finding[] = [];
  const value = edit(config, {
    stores: (stores) => eachValue(stores, (store, alias) => visitStore(store, ["stores", alias], findings)),
    rules: (rules) => eachItem(rules, (rule, index) => visitRule(rule, ["rules", index], findings)),
    state: (state) => visitState(state, findings),
  });
  return { value: strip(value, { table: TOP, path: [], findings }), findings };
}

/** A config without its state where that is one of later releases; the password in its URL is not repeated. */
function visitState(state: unknown, findings: Finding[]): unknown {
  const scheme = typeof state === "string" ? /^(postgres(?:ql)?|dynamodb):/i.exec(state)?.[1] : undefined;
  if (scheme === undefined) return state;
  findings.push({ path: ["state"], message: notAvailable(`state ${scheme.toLowerCase()}`), hint: "write state: sqlite:./replicast.db" });
  return undefined;
}

function visitStore(store: unknown, path: Path, findings: Finding[]): unknown {
  const value = edit(store, {
    limits: (limits) => strip(limits, { table: STORE_LIMITS, path: [...path, "limits"], findings }),
  });
  return strip(value, { table: STORE, path, findings });
}

function visitRule(rule: unknown, path: Path, findings: Finding[]): unknown {
  return strip(rule, { table: RULE, path, findings });
}

interface Stripping {
  readonly table: readonly Later[];
  readonly path: Path;
  readonly findings: Finding[];
}

function strip(value: unknown, { table, path, findings }: Stripping): unknown {
  if (!isMap(value)) return value;
  const kept = { ...value };
  for (const later of table) {
    if (!Object.hasOwn(value, later.key)) continue;
    const written = value[later.key];
    const accepted = isAccepted(later, written);
    if (!accepted && isMistake(later, written) && later.keep) continue;
    if (!accepted) findings.push(refusal(later, written, path));
    if (!accepted || !later.keep) delete kept[later.key];
  }
  return kept;
}

function isAccepted(later: Later, written: unknown): boolean {
  return (later.accepts ?? []).some(
    (value) => value === written || (Array.isArray(value) && Array.isArray(written) && written.length === 0),
  );
}

function isMistake(later: Later, written: unknown): boolean {
  return later.refuses !== undefined && !later.refuses.includes(written);
}

function refusal(later: Later, written: unknown, path: Path): Finding {
  const at = [...path, later.key];
  if (isMistake(later, written)) {
    return { path: at, message: `is not one that replicast knows`, hint: `write ${later.key}: ${(later.accepts ?? []).join(" or ")}` };
  }
  const scalar = typeof written === "string" && later.refuses !== undefined ? ` ${written}` : "";
  const what = written === true ? `${later.key}: true` : `${later.key}${scalar === "" ? "" : `:${scalar}`}`;
  return { path: at, message: notAvailable(what), hint: later.hint ?? REMOVE, atKey: true };
}

type Edits = Readonly<Record<string, (value: unknown) => unknown>>;

function edit(value: unknown, edits: Edits): unknown {
  if (!isMap(value)) return value;
  const edited = Object.entries(value).map(([key, item]) => [key, Object.hasOwn(edits, key) ? edits[key]?.(item) : item] as const);
  return Object.fromEntries(edited.filter(([, item]) => item !== undefined));
}

function eachValue(value: unknown, change: (item: unknown, key: string) => unknown): unknown {
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item, key)])) : value;
}

function eachItem(value: unknown, change: (item: unknown, index: number) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : value;
}
