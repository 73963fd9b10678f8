import { Hono } from "hono";
import { type ApiOptions, addApi } from "./api.ts";
import { Authenticator, type ScopedToken } from "./authenticator.ts";
import { EventReceiver, type EventReceiverOptions, TOO_LARGE } from "./event-receiver.ts";
import { Guard } from "./guard.ts";
import { errorProblem, type Problem, problemResponse } from "./problem.ts";

export interface HandlerOptions extends ApiOptions, EventReceiverOptions {
  /** The metrics in Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** Whether work can be taken in; where not, why. */
  readonly ready: () => Promise<{ readonly ready: boolean; readonly reason?: string | undefined }>;
  /** None: everybody may do everything. */
  readonly tokens: readonly ScopedToken[];
  readonly version: string;
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
  const guard = new Guard(new Authenticator(options.tokens));
  addProbes(app, options, guard);
  const door = new EventDoor(options, guard);
  addEvents(app, door, guard);
  addApi(app, options, guard);
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

function addProbes(app: Hono, options: HandlerOptions, guard: Guard): void {
  const { name, version } = options;
  app.get("/healthz", (context) => context.json({ status: "ok", name, version }));
  app.get("/readyz", async (context) => {
    const { ready, reason } = await options.ready();
    if (ready) return context.json({ status: "ready" });
    const hint = "ask again; the log of the daemon says more";
    return problemResponse({ status: 503, code: "NotReady", detail: reason ?? "not ready", hint, headers: { "retry-after": "1" } });
  });
  app.get("/metrics", async (context) => {
    const refused = guard.refusal(context, "read");
    if (refused !== undefined) return refused;
    return context.body(await options.metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });
  for (const path of ["/healthz", "/readyz", "/metrics"]) app.all(path, () => guard.methodNotAllowed("GET, HEAD"));
}

/** Who may push events, and for which stores. */
class EventDoor {
  readonly receiver: EventReceiver;
  readonly #guard: Guard;
  readonly #stores: ReadonlySet<string>;

  constructor(options: HandlerOptions, guard: Guard) {
    this.receiver = new EventReceiver(options);
    this.#guard = guard;
    this.#stores = new Set(options.stores().map((store) => store.name));
  }

  /** The answer for those who are turned away; undefined for those who may come in. */
  refusal(store: string, authorization: string | undefined): Response | undefined {
    const refused = this.#guard.refusalOf(authorization, "events");
    if (refused !== undefined || this.#stores.has(store)) return refused;
    return problemResponse(noSuchStore(store, this.#stores));
  }

  async receive({ store, authorization, body }: PushedMessage): Promise<Response | undefined> {
    return this.refusal(store, authorization) ?? this.receiver.receiveBody(store, async () => body ?? TOO_LARGE);
  }
}

function addEvents(app: Hono, door: EventDoor, guard: Guard): void {
  app.post("/events/:store", (context) => {
    const store = context.req.param("store");
    return door.refusal(store, context.req.header("authorization")) ?? door.receiver.receive(store, context.req.raw);
  });
  app.all("/events/:store", () => guard.methodNotAllowed("POST"));
}

function noSuchStore(store: string, stores: ReadonlySet<string>): Problem {
  const hint = `stores of the config: ${[...stores].join(", ")}`;
  return { status: 404, code: "NoSuchStore", detail: `no store is named "${store}"`, hint };
}

const NOT_FOUND: Problem = { status: 404, code: "NotFound", detail: "there is nothing here", hint: "the API is under /api/v1" };
