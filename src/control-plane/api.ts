import type { Context, Hono } from "hono";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { type ListDocument, SCHEMA_VERSION, type StoreItem } from "./contract.ts";
import { queryExplanation } from "./explain.ts";
import type { Guard } from "./guard.ts";
import {
  approveDeletes,
  discardFailures,
  type OperationScope,
  parseSelection,
  redriveFailures,
  rejectDeletes,
  setPaused,
} from "./operations.ts";
import { type OutcomeFeed, outcomeStream } from "./outcome-stream.ts";
import {
  findBucket,
  type ListQuery,
  legsOf,
  queryConflict,
  queryConflicts,
  queryFailure,
  queryFailures,
  queryHeldDelete,
  queryHeldDeletes,
  queryObject,
  queryObjects,
  queryStatus,
} from "./queries.ts";
import { readBody } from "./read-body.ts";
import { resolveConflict } from "./resolve-conflict.ts";

export interface ApiOptions extends Omit<OperationScope, "now"> {
  /** The stores of the config as they are now. Which ones there are must not change. */
  readonly stores: () => readonly StoreItem[];
  /** Finds a bucket however it was spelled. @defaultValue finds only buckets of the rules, by name or canonical id */
  readonly resolveBucket?: ((reference: string) => Bucket | undefined) | undefined;
  /** What `GET events` tells of. Absent: there is no such path. */
  readonly events?: OutcomeFeed | undefined;
  /** Ends the streams that are open, and those that are asked for. */
  readonly closing?: AbortSignal | undefined;
  /** @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
}

const MAX_BODY_BYTES = 1024 * 1024;
const ROOT = "/api/v1";

/** Adds `/api/v1`: reading needs the scope `read`, changing `admin`. */
export function addApi(app: Hono, options: ApiOptions, guard: Guard): void {
  const scope: OperationScope = { ...options, now: options.now ?? Date.now };
  addChanges(new Paths(app, guard), scope);
  const paths = new Paths(app, guard);
  paths.get("/status", (context) => queryStatus(scope, scope.now(), context.req.query("rule")));
  paths.get("/stores", () => storeList(options.stores()));
  paths.get("/objects", (context) => objects(options, context));
  paths.get("/explain", (context) => queryExplanation(scope, ...namedObject(options, context)));
  paths.get("/failures", (context) => queryFailures(scope, listQuery(context)));
  paths.get("/failures/:id", (context) => queryFailure(scope, parameter(context, "id")));
  paths.get("/deletes", (context) => queryHeldDeletes(scope, listQuery(context)));
  paths.get("/deletes/:id", (context) => queryHeldDelete(scope, parameter(context, "id")));
  paths.get("/conflicts", (context) => queryConflicts(scope, { ...listQuery(context), state: context.req.query("state") }));
  paths.get("/conflicts/:id", (context) => queryConflict(scope, parameter(context, "id")));
  const { events: feed, closing } = options;
  if (feed !== undefined)
    paths.stream("/events", (context) =>
      outcomeStream({ rules: scope.rules, engineOf: scope.engineOf, feed, closing, rule: ruleQuery(scope, context) }),
    );
}

/** Before the paths that read, of which some hold an id where these hold a word. */
function addChanges(paths: Paths, scope: OperationScope): void {
  paths.post("/failures/redrive", async (context) => redriveFailures(scope, parseSelection(await jsonBody(context))));
  paths.post("/failures/discard", async (context) => discardFailures(scope, parseSelection(await jsonBody(context))));
  paths.post("/deletes/approve", async (context) => approveDeletes(scope, parseSelection(await jsonBody(context))));
  paths.post("/deletes/reject", async (context) => {
    const { reopen, ...selection } = await jsonBody(context);
    return rejectDeletes(scope, parseSelection(selection), { reopen: reopen === true });
  });
  paths.post("/conflicts/:id/resolve", async (context) => {
    const { winner } = await jsonBody(context);
    if (typeof winner === "string") return resolveConflict(scope, parameter(context, "id"), winner);
    throw invalid("the request does not say which bucket's object stays", 'send {"winner":"<bucket>"}');
  });
  paths.post("/rules/:id/pause", (context) => setPaused(scope, parameter(context, "id"), true));
  paths.post("/rules/:id/resume", (context) => setPaused(scope, parameter(context, "id"), false));
}

/** The paths of the API: each answers one method, to those who may. */
class Paths {
  readonly #app: Hono;
  readonly #guard: Guard;

  constructor(app: Hono, guard: Guard) {
    this.#app = app;
    this.#guard = guard;
  }

  get(path: string, query: (context: Context) => unknown): void {
    this.stream(path, async (context) => jsonResponse(await query(context)));
  }

  stream(path: string, answer: (context: Context) => Response | Promise<Response>): void {
    this.#app.get(ROOT + path, (context) => this.#guard.refusal(context, "read") ?? answer(context));
    this.#app.all(ROOT + path, () => this.#guard.methodNotAllowed("GET, HEAD"));
  }

  post(path: string, change: (context: Context) => Promise<unknown>): void {
    this.#app.post(ROOT + path, async (context) => {
      const refused = this.#guard.refusal(context, "admin") ?? this.#guard.foreignPage(context);
      return refused ?? jsonResponse(await change(context));
    });
    this.#app.all(ROOT + path, () => this.#guard.methodNotAllowed("POST"));
  }
}

/** One object where `bucket` and `key` name it, else the rows that the filters let through. */
function objects(options: ApiOptions, context: Context): Promise<unknown> {
  const { bucket, key } = context.req.query();
  if (bucket === undefined && key === undefined) return queryObjects(options, listQuery(context));
  return queryObject(options, ...namedObject(options, context));
}

function namedObject(options: ApiOptions, context: Context): readonly [bucket: Bucket, key: string] {
  const { bucket: reference, key } = context.req.query();
  if (!reference || !key) throw invalid("an object is named by bucket and key", "give both");
  const bucket = options.resolveBucket?.(reference) ?? findBucket(options.rules, reference);
  if (bucket !== undefined) return [bucket, key];
  const known = new Set(options.rules.map((rule) => rule.source.name));
  throw new ReplicationError("NoSuchBucket", `no rule knows the bucket "${reference}"`, {
    hint: `sources of the rules: ${[...known].join(", ")}`,
  });
}

function listQuery(context: Context): ListQuery {
  const { rule, destination, status, since, limit, nextToken } = context.req.query();
  return { rule, destination, status, nextToken, since: toInstant(since), limit: limit === undefined ? undefined : Number(limit) };
}

function ruleQuery({ rules }: OperationScope, context: Context): string | undefined {
  const rule = context.req.query("rule");
  return rule === undefined ? undefined : legsOf(rules, rule)[0].id;
}

function toInstant(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw invalid(`since is no time: "${text}"`, "write 2026-01-31T12:00:00Z");
}

async function jsonBody(context: Context): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBody(context.req.raw, MAX_BODY_BYTES);
  if (bytes === undefined)
    throw new ReplicationError("EntityTooLarge", "the body is larger than 1 MiB", { hint: "send fewer ids at a time" });
  const body = parsed(bytes);
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return { ...body };
  throw invalid("the body is no JSON object", 'send such as {"all":true}');
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // answered as every other body that is no object
  }
}

function parameter(context: Context, name: string): string {
  return context.req.param(name) ?? "";
}

function storeList(items: readonly StoreItem[]): ListDocument<StoreItem> {
  return { schemaVersion: SCHEMA_VERSION, items, nextToken: null };
}

function jsonResponse(document: unknown): Response {
  return Response.json(document, { headers: { "cache-control": "no-store" } });
}

function invalid(message: string, hint: string): ReplicationError {
  return new ReplicationError("InvalidRequest", message, { hint });
}
