import { reopened } from "../domain/delete-gate.ts";
import { ReplicationError } from "../domain/error.ts";
import { HEALED } from "../domain/native-verdict.ts";
import { isRestoreNote } from "../domain/restore-note.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { Adoption, Changes, Route, Want } from "../ports/state.ts";
import { type ChangeDocument, type RuleStateDocument, SCHEMA_VERSION } from "./contract.ts";
import { legsOf, type QueryScope } from "./queries.ts";
import { FAILURES, HELD_DELETES, isOfKind, type Row, type RowKind, Rows } from "./rows.ts";
import { COPY_ALONE, stateOf } from "./status.ts";

/** What a person's word changes, and who has to hear of it. */
export interface OperationScope extends QueryScope {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Opens the gate of a route in turn with the deletes that ask it. @defaultValue writes the state alone: nobody else does */
  readonly reopenGate?: ((route: Route) => Promise<void>) | undefined;
  /** Is told of all paused rules whenever one is paused or resumed, once that is durable. */
  readonly onPaused?: ((rules: readonly string[]) => void) | undefined;
}

/** Which rows are meant: some by id, those of a rule, or all. */
export type Selection = { readonly ids: readonly string[] } | { readonly rule: string } | { readonly all: true };

/** Rows that are changed in one commit. */
const BATCH = 500;

/**
 * Tries failed rows again at once, with their attempts counted from the start; what is archived may be restored once more. What S3 is to
 * replicate by itself is no task: such rows may be healed once more by the next comparison.
 */
export function redriveFailures(scope: OperationScope, selection: Selection): Promise<ChangeDocument> {
  const { engineOf = COPY_ALONE, state } = scope;
  const change = async (rows: readonly Row[]) => {
    const { native = [], copy = [] } = Object.groupBy(rows, ({ entry }) => engineOf(entry.rule));
    const restored = copy.filter(({ entry }) => entry.notes.some(isRestoreNote));
    if (restored.length > 0) await state.ledger.adopt(restored.flatMap((row) => withoutNotes(row, isRestoreNote)));
    if (copy.length > 0) await state.tasks.want(wantsOf(copy, changesOf));
    if (native.length > 0) await state.ledger.adopt(native.flatMap((row) => withoutNotes(row, (note) => note === HEALED)));
  };
  return changeRows(scope, selection, { kind: FAILURES, change });
}

/** The row as one of which nothing was tried that is tried by itself once. */
function withoutNotes({ entry, route }: Row, isGone: (note: string) => boolean): readonly Adoption[] {
  return route === undefined ? [] : [{ route, entry: { ...entry, notes: entry.notes.filter((note) => !isGone(note)) }, over: entry }];
}

/** Ends failed rows as SKIPPED: they are tried again by the next event or comparison only. */
export function discardFailures(scope: OperationScope, selection: Selection): Promise<ChangeDocument> {
  return changeRows(scope, selection, { kind: FAILURES, change: (rows) => skip(scope, rows, "Discarded") });
}

/**
 * Lets held deletes pass, each decided again on what is there then, and opens the gates that held them: they count anew. Durable when it
 * returns; made by the daemon.
 */
export async function approveDeletes(scope: OperationScope, selection: Selection): Promise<ChangeDocument> {
  const routes = new RouteSet();
  const change = async (rows: readonly Row[]) => {
    await scope.state.tasks.want(wantsOf(rows, () => ({ deleted: true, approved: true })));
    routes.add(rows);
  };
  const document = await changeRows(scope, selection, { kind: HELD_DELETES, change });
  for (const route of routes.all()) await reopen(scope, route);
  return document;
}

/**
 * Ends held deletes as SKIPPED: what the destinations hold stays there. A gate opens once it holds nothing any more, or at once where
 * `reopen` says so.
 */
export async function rejectDeletes(
  scope: OperationScope,
  selection: Selection,
  options: { readonly reopen?: boolean | undefined } = {},
): Promise<ChangeDocument> {
  const routes = new RouteSet();
  const change = async (rows: readonly Row[]) => {
    await skip(scope, rows, "DeleteRejected");
    routes.add(rows);
  };
  const document = await changeRows(scope, selection, { kind: HELD_DELETES, change });
  for (const route of routes.all()) if (options.reopen === true || !(await isAnyHeld(scope, route))) await reopen(scope, route);
  return document;
}

/**
 * Stores that a rule is paused, or is not any more: nothing of it is worked on while it is, and nothing of it is forgotten.
 *
 * @throws ReplicationError `InvalidRequest` for a rule that is not in the config
 */
export async function setPaused(scope: OperationScope, rule: string, paused: boolean): Promise<RuleStateDocument> {
  const [leg] = legsOf(scope.rules, rule);
  const { safeguards } = scope.state;
  await safeguards.setPaused(rule, paused);
  const rules = await safeguards.pausedRules();
  scope.onPaused?.(rules);
  return { schemaVersion: SCHEMA_VERSION, rule, state: stateOf(leg, new Set(rules)) };
}

interface RowChange {
  readonly kind: RowKind;
  /** Durable when it returns. */
  readonly change: (rows: readonly Row[]) => Promise<void>;
}

async function changeRows(scope: OperationScope, selection: Selection, { kind, change }: RowChange): Promise<ChangeDocument> {
  const rows = new Rows(scope.rules, scope.state);
  if ("ids" in selection) return changeById(rows, selection.ids, { kind, change });
  const rule = "rule" in selection ? selection.rule : undefined;
  if (rule !== undefined) legsOf(scope.rules, rule);
  let changed = 0;
  for await (const batch of rows.batches({ rule, limit: BATCH }, kind)) {
    const known = batch.filter(({ route }) => route !== undefined);
    await change(known);
    changed += known.length;
  }
  return { schemaVersion: SCHEMA_VERSION, changed, notFound: [] };
}

async function changeById(rows: Rows, ids: readonly string[], { kind, change }: RowChange): Promise<ChangeDocument> {
  const found: Row[] = [];
  const notFound: string[] = [];
  for (const id of new Set(ids)) {
    const row = await rows.find(id);
    if (row !== undefined && isOfKind(row.entry, kind)) found.push(row);
    else notFound.push(id);
  }
  if (found.length > 0) await change(found);
  return { schemaVersion: SCHEMA_VERSION, changed: found.length, notFound };
}

function wantsOf(rows: readonly Row[], changes: (entry: LedgerEntry) => Changes): readonly Want[] {
  return rows.flatMap(({ entry, route }) => {
    if (route === undefined) return [];
    return [{ route, key: entry.key, lane: "live" as const, eventTime: entry.eventTime, changes: changes(entry) }];
  });
}

/** A failed row says what was to be done: the evidence that it was decided on is not asked for a second time. */
function changesOf({ operation }: LedgerEntry): Changes {
  if (operation === "delete") return { deleted: true };
  return operation === "attributes" ? { attributes: true, written: true } : { written: true };
}

/** Adoption leaves alone what a task is about to change, and what changed since: a row that was wanted meanwhile is not taken back. */
async function skip({ state, now }: OperationScope, rows: readonly Row[], reason: string): Promise<void> {
  const end = { status: "SKIPPED", reason, finishedAt: now(), nextAttemptAt: null, replicationLatencyMs: null } as const;
  const ended = rows.flatMap(({ entry, route }) => (route === undefined ? [] : [{ route, entry: { ...entry, ...end }, over: entry }]));
  await state.ledger.adopt(ended);
}

async function isAnyHeld({ rules, state }: OperationScope, route: Route): Promise<boolean> {
  const { rule, source, destination } = route;
  for await (const batch of new Rows(rules, state).batches({ rule, destination, limit: BATCH }, HELD_DELETES)) {
    if (batch.some((row) => row.route?.source === source)) return true;
  }
  return false;
}

async function reopen({ state, reopenGate }: OperationScope, route: Route): Promise<void> {
  if (reopenGate !== undefined) return reopenGate(route);
  const gate = await state.safeguards.gate(route);
  await state.safeguards.saveGate(route, reopened(gate));
}

class RouteSet {
  readonly #routes = new Map<string, Route>();

  add(rows: readonly Row[]): void {
    for (const { route } of rows) if (route !== undefined) this.#routes.set(JSON.stringify(route), route);
  }

  all(): Iterable<Route> {
    return this.#routes.values();
  }
}

/**
 * Reads which rows a request means.
 *
 * @throws ReplicationError `InvalidRequest` where it is none, or more than one, of the three ways to say it
 */
export function parseSelection(body: Readonly<Record<string, unknown>>): Selection {
  const { ids, rule, all } = body;
  const given = [ids, rule, all].filter((value) => value !== undefined);
  if (given.length === 1) {
    if (isTextList(ids)) return { ids };
    if (typeof rule === "string") return { rule };
    if (all === true) return { all };
  }
  throw new ReplicationError("InvalidRequest", "the request does not say which rows are meant", {
    hint: 'send one of {"ids":["…"]}, {"rule":"…"} and {"all":true}',
  });
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}
