import { type Context, Hono } from "hono";
import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import { Authenticator, type Scope, type ScopedToken, type Verdict } from "./authenticator.ts";
import { type ListDocument, SCHEMA_VERSION, type StoreItem } from "./contract.ts";
import { EventReceiver, type EventReceiverOptions, TOO_LARGE } from "./event-receiver.ts";
import { errorProblem, type Problem, problemResponse } from "./problem.ts";
import { findBucket, type ListQuery, type QueryScope, queryFailures, queryObject, queryObjects, queryStatus } from "./queries.ts";

export interface HandlerOptions extends QueryScope, EventReceiverOptions {
  /** The stores of the config as they are now. Which ones there are must not change. */
  readonly stores: () => readonly StoreItem[];
  /** The metrics in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** Whether work can be taken in; where not, why. */
  readonly ready: () => Promise<{ readonly ready: boolean; readonly reason?: string | undefined }>;
  /** None: everybody may do everything. */
  readonly tokens: readonly ScopedToken[];
  readonly version: string;
  /** Finds a bucket however it was spelled. @defaultValue finds only buckets of the rules, by name or canonical id */
  readonly resolveBucket?: ((reference: string) => Bucket | undefined) | undefined;
  /** @defaultValue Date.now */
  readonly now?: (() => number) | undefined;
}

/** The HTTP face of replicast, for any server that speaks web-standard requests. */
export interface Handler {
  fetch(request: Request): Promise<Response>;
  /**
   * Takes in one pushed message without a Request and a Response around it, which cost more than all else about an event. Undefined: taken in,
   * answer 200. Otherwise the answer is the one that {@link fetch} would give to the same POST.
   */
  receive(message: PushedMessage): Promise<Response | undefined>;
}

/** A POST to `/events/<store>`, read. */
export interface PushedMessage {
  readonly store: string;
  readonly authorization: string | undefined;
  /** Undefined: more than 1 MiB, which is not kept. */
  readonly body: Uint8Array | undefined;
}

/** Builds the handler. It keeps no state of its own and starts nothing. */
export function createHandler(options: HandlerOptions): Handler {
  const app = new Hono();
  const authenticator = new Authenticator(options.tokens);
  addProbes(app, options, authenticator);
  const door = new EventDoor(options, authenticator);
  addEvents(app, door);
  addApi(app, options, authenticator);
  app.notFound(() => problemResponse(NOT_FOUND));
  const failed = (error: unknown, request: { readonly method: string; readonly path: string }) => {
    const problem = errorProblem(error);
    if (problem.status === 500) options.logger?.error("request failed", { ...request, error });
    return problemResponse(problem);
  };
  app.onError((error, { req: { method, path } }) => failed(error, { method, path }));
  return {
    fetch: async (request) => app.fetch(request),
    receive: (message) =>
      door.receive(message).catch((error: unknown) => failed(error, { method: "POST", path: `/events/${message.store}` })),
  };
}

function addProbes(app: Hono, options: HandlerOptions, authenticator: Authenticator): void {
  const { name, version } = options;
  app.get("/healthz", (context) => context.json({ status: "ok", name, version }));
  app.get("/readyz", async (context) => {
    const { ready, reason } = await options.ready();
    if (ready) return context.json({ status: "ready" });
    return problemResponse({ status: 503, code: "NotReady", detail: reason ?? "not ready", headers: { "retry-after": "1" } });
  });
  app.get("/metrics", async (context) => {
    const refused = refusal(authenticator, context, "read");
    if (refused !== undefined) return refused;
    return context.body(await options.metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });
  for (const path of ["/healthz", "/readyz", "/metrics"]) app.all(path, () => methodNotAllowed("GET, HEAD"));
}

/** Who may push events, and for which stores. */
class EventDoor {
  readonly receiver: EventReceiver;
  readonly #authenticator: Authenticator;
  readonly #stores: ReadonlySet<string>;

  constructor(options: HandlerOptions, authenticator: Authenticator) {
    this.receiver = new EventReceiver(options);
    this.#authenticator = authenticator;
    this.#stores = new Set(options.stores().map((store) => store.name));
  }

  /** The answer for those who are turned away; undefined for those who may come in. */
  refusal(store: string, authorization: string | undefined): Response | undefined {
    const verdict = this.#authenticator.check(authorization, "events");
    if (verdict !== "allowed") return problemResponse(verdict === "unauthorized" ? UNAUTHORIZED : forbidden("events"));
    return this.#stores.has(store) ? undefined : problemResponse(noSuchStore(store, this.#stores));
  }

  async receive({ store, authorization, body }: PushedMessage): Promise<Response | undefined> {
    return this.refusal(store, authorization) ?? this.receiver.receiveBody(store, async () => body ?? TOO_LARGE);
  }
}

function addEvents(app: Hono, door: EventDoor): void {
  app.post("/events/:store", (context) => {
    const store = context.req.param("store");
    return door.refusal(store, context.req.header("authorization")) ?? door.receiver.receive(store, context.req.raw);
  });
  app.all("/events/:store", () => methodNotAllowed("POST"));
}

function addApi(app: Hono, options: HandlerOptions, authenticator: Authenticator): void {
  const get = (path: string, query: (context: Context) => unknown) => {
    app.get(path, async (context) => {
      const refused = refusal(authenticator, context, "read");
      return refused ?? jsonResponse(await query(context));
    });
    app.all(path, () => methodNotAllowed("GET, HEAD"));
  };
  const now = options.now ?? Date.now;
  get("/api/v1/status", (context) => queryStatus(options, now(), context.req.query("rule")));
  get("/api/v1/stores", () => storeList(options.stores()));
  get("/api/v1/objects", (context) => objects(options, context));
  get("/api/v1/failures", (context) => queryFailures(options, listQuery(context)));
}

/** One object where `bucket` and `key` name it, else the rows that the filters let through. */
function objects(options: HandlerOptions, context: Context): Promise<unknown> {
  const reference = context.req.query("bucket");
  const key = context.req.query("key");
  if (reference === undefined && key === undefined) return queryObjects(options, listQuery(context));
  if (!reference || !key) throw new ReplicationError("InvalidRequest", "an object is named by bucket and key", { hint: "give both" });
  const bucket = options.resolveBucket?.(reference) ?? findBucket(options.rules, reference);
  if (bucket !== undefined) return queryObject(options, bucket, key);
  const known = options.rules.map((rule) => rule.source.name).join(", ");
  throw new ReplicationError("NoSuchBucket", `no rule knows the bucket "${reference}"`, { hint: `sources of the rules: ${known}` });
}

function listQuery(context: Context): ListQuery {
  const { rule, destination, status, since, limit, nextToken } = context.req.query();
  return { rule, destination, status, nextToken, since: toInstant(since), limit: limit === undefined ? undefined : Number(limit) };
}

function toInstant(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new ReplicationError("InvalidRequest", `since is no time: "${text}"`, { hint: "write 2026-01-31T12:00:00Z" });
}

function storeList(items: readonly StoreItem[]): ListDocument<StoreItem> {
  return { schemaVersion: SCHEMA_VERSION, items, nextToken: null };
}

function jsonResponse(document: unknown): Response {
  return Response.json(document, { headers: { "cache-control": "no-store" } });
}

/** The answer for those who may not; undefined for those who may. */
function refusal(authenticator: Authenticator, context: Context, scope: Scope): Response | undefined {
  const verdict: Verdict = authenticator.check(context.req.header("authorization"), scope);
  if (verdict === "allowed") return undefined;
  return problemResponse(verdict === "unauthorized" ? UNAUTHORIZED : forbidden(scope));
}

function methodNotAllowed(allow: string): Response {
  return problemResponse({ status: 405, code: "MethodNotAllowed", detail: `only ${allow} is answered here`, headers: { allow } });
}

function noSuchStore(store: string, stores: ReadonlySet<string>): Problem {
  const hint = `stores of the config: ${[...stores].join(", ")}`;
  return { status: 404, code: "NoSuchStore", detail: `no store is named "${store}"`, hint };
}

function forbidden(scope: Scope): Problem {
  return { status: 403, code: "AccessDenied", detail: "the token's scope does not reach this", hint: `use a token of scope ${scope}` };
}

const NOT_FOUND: Problem = { status: 404, code: "NotFound", detail: "there is nothing here", hint: "the API is under /api/v1" };

const UNAUTHORIZED: Problem = {
  status: 401,
  code: "Unauthorized",
  detail: "a token of the config is needed",
  hint: "send it as Authorization: Bearer <token>",
  headers: { "www-authenticate": "Bearer" },
};
