import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bucket } from "../domain/bucket.ts";
import { type ErrorCode, ReplicationError } from "../domain/error.ts";
import type { ParsedMessage } from "../domain/event.ts";
import { PLAIN_COPY, type Rule } from "../domain/rule.ts";
import type { LedgerEntry } from "../domain/status.ts";
import type { EntryFilter, State } from "../ports/state.ts";
import type { ScopedToken } from "./authenticator.ts";
import type { ProblemDocument } from "./contract.ts";
import { createHandler, type Handler, type HandlerOptions } from "./handler.ts";

const MIB = 1024 * 1024;
const NOW = Date.UTC(2026, 10, 21, 1);
const AT = "2026-11-21T01:00:00.000Z";

const bucketOf = (store: string, bucket: string): Bucket => ({
  id: `s3://${store}.test/${bucket}`,
  name: `${store}:${bucket}`,
  store,
  bucket,
});

const RULE: Rule = {
  id: "photos",
  source: bucketOf("a", "photos"),
  destinations: ["b", "c"].map((store) => ({
    id: `${store}:copy`,
    canonicalId: `s3://${store}.test/copy`,
    bucket: bucketOf(store, "copy"),
    prefix: "",
    existingObjects: true,
  })),
  filter: {},
  preserve: { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false },
  ...PLAIN_COPY,
  enabled: true,
};

const ENTRY: LedgerEntry = {
  rule: "photos",
  destination: "s3://c.test/copy",
  key: "raw/x y",
  status: "FAILED",
  operation: "copy",
  versionId: "",
  origin: null,
  reason: "AccessDenied",
  notes: ["TagsNotKept"],
  replica: null,
  attempts: 10,
  eventTime: NOW,
  startedAt: NOW,
  finishedAt: NOW,
  nextAttemptAt: null,
  firstFailedAt: NOW,
  replicationLatencyMs: null,
  error: { code: "AccessDenied", message: "no", hint: "allow it", operation: "PutObject" },
};

const COMPLETED: LedgerEntry = {
  ...ENTRY,
  destination: "s3://b.test/copy",
  status: "COMPLETED",
  reason: null,
  notes: [],
  attempts: 1,
  firstFailedAt: null,
  replicationLatencyMs: 12,
  error: null,
  replica: {
    etag: "e",
    versionId: "v",
    lastModified: NOW,
    attributeHash: null,
    bytes: 4096,
    proof: "etag",
    destinationEtag: "d",
    destinationVersionId: null,
  },
};

const MESSAGE: ParsedMessage = {
  events: [{ kind: "created", bucket: "photos", keys: ["k"], eventName: "ObjectCreated:Put" }],
  ignored: 0,
  malformed: [],
};

class FakeState {
  readonly filters: EntryFilter[] = [];
  readonly lookups: string[][] = [];
  entries: readonly LedgerEntry[] = [ENTRY, COMPLETED];
  failure: Error | undefined;

  toState(): State {
    const route = { rule: "photos", source: RULE.source.id, destination: "s3://b.test/copy" };
    const latencyMs = { p50: 12, p95: 30, p99: 41, max: 55 };
    const ledger = {
      summaries: async () => {
        if (this.failure !== undefined) throw this.failure;
        return [{ route, completed: { operations: 120, bytes: 491520 }, failed: 1, held: 2, latencyMs }];
      },
      entriesOf: async (bucket: string, key: string) => {
        this.lookups.push([bucket, key]);
        return this.entries;
      },
      list: async (filter: EntryFilter) => {
        this.filters.push(filter);
        return {
          entries: this.entries.filter((entry) => filter.status === undefined || entry.status === filter.status),
          nextToken: "next",
        };
      },
    };
    const tasks = { pending: async () => [{ route, operations: 3, bytes: 30, oldestAt: NOW }] };
    const journal = {
      intake: async () => [{ store: "a", received: 5, ignored: 1, malformed: 1, lastMalformed: { reason: "why", at: NOW } }],
      syncProgress: async () => ({ startedAt: NOW, after: null, finishedAt: NOW }),
      epoch: async () => ({ epoch: "e", generation: 2, distrust: "old" }),
    };
    const safeguards = { pausedRules: async () => [] };
    return { ledger, tasks, journal, safeguards } as unknown as State;
  }
}

interface Fixture {
  readonly handler: Handler;
  readonly state: FakeState;
  readonly accepted: { readonly store: string; readonly message: ParsedMessage }[];
  readonly parsed: Uint8Array[];
  readonly refused: string[];
  readonly logged: unknown[];
}

function fixture(changes: Partial<HandlerOptions> & { readonly refuseWith?: Error } = {}): Fixture {
  const state = new FakeState();
  const accepted: Fixture["accepted"] = [];
  const parsed: Uint8Array[] = [];
  const refused: string[] = [];
  const logged: unknown[] = [];
  const log = (...line: unknown[]) => logged.push(line);
  const handler = createHandler({
    name: "acme",
    version: "1.2.3",
    rules: [RULE],
    state: state.toState(),
    intake: {
      accept: async (store, message) => {
        if (changes.refuseWith !== undefined) throw changes.refuseWith;
        accepted.push({ store, message });
      },
    },
    parse: (body) => {
      parsed.push(body);
      try {
        JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
      } catch {
        throw new ReplicationError("MalformedEvent", "the message is not JSON", { hint: "send JSON" });
      }
      return MESSAGE;
    },
    stores: () => [
      { name: "a", endpoint: "http://a.test", region: "us-east-1", events: "webhook", up: true },
      { name: "http://127.0.0.1:9101", endpoint: "http://127.0.0.1:9101", region: "us-east-1", events: "poll", up: null },
    ],
    metrics: async () => "replicast_x 1\n",
    ready: async () => ({ ready: true }),
    tokens: [],
    onRefused: (store) => refused.push(store),
    logger: { debug: log, info: log, warn: log, error: log },
    now: () => NOW,
    ...changes,
  });
  return { handler, state, accepted, parsed, refused, logged };
}

const url = (path: string) => `http://127.0.0.1:8417${path}`;

function post(
  handler: Handler,
  body: string | Uint8Array | ReadableStream,
  init: { path?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const request = { method: "POST", body, headers: init.headers ?? {}, duplex: "half" } as const;
  return handler.fetch(new Request(url(init.path ?? "/events/a"), request));
}

function get(handler: Handler, path: string, authorization?: string): Promise<Response> {
  return handler.fetch(new Request(url(path), { headers: authorization === undefined ? {} : { authorization } }));
}

async function problemOf(response: Response, status: number): Promise<ProblemDocument> {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = (await response.json()) as ProblemDocument;
  assert.deepEqual(Object.keys(problem), ["type", "title", "status", "detail", "code", "hint"]);
  assert.equal(problem.status, status);
  assert.ok(problem.hint, `${problem.detail} comes with a hint`);
  return problem;
}

async function json(response: Response): Promise<unknown> {
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  return response.json();
}

describe("POST /events/{store}", () => {
  it("answers 200 only after the events are durable", async () => {
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const accept = async () => {
      await gate.promise;
      order.push("durable");
    };
    const { handler } = fixture({ intake: { accept } });
    const answer = post(handler, "{}").then((response) => {
      order.push("answered");
      return response;
    });
    gate.resolve();
    assert.equal((await answer).status, 200);
    assert.deepEqual(order, ["durable", "answered"]);
  });

  it("hands the body over as it came, with the store", async () => {
    const { handler, accepted, parsed, refused } = fixture();
    assert.equal((await post(handler, '{"x":"ü"}')).status, 200);
    assert.equal((await post(handler, "{}", { path: "/events/http%3A%2F%2F127.0.0.1%3A9101" })).status, 200);
    assert.equal(Buffer.from(parsed[0]!).toString(), '{"x":"ü"}');
    assert.deepEqual(accepted, [
      { store: "a", message: MESSAGE },
      { store: "http://127.0.0.1:9101", message: MESSAGE },
    ]);
    assert.deepEqual(refused, []);
  });

  it("answers 404 for a store that is not in the config, and counts no outage", async () => {
    const { handler, refused, accepted } = fixture();
    for (const path of ["/events/b", "/events/__proto__", "/events/constructor"]) {
      assert.equal((await problemOf(await post(handler, "{}", { path }), 404)).code, "NoSuchStore");
    }
    assert.equal((await problemOf(await post(handler, "{}", { path: "/events" }), 404)).code, "NotFound");
    assert.deepEqual([refused, accepted], [[], []]);
  });

  it("answers 400 for what is not JSON: text, bytes, nothing", async () => {
    const { handler, refused } = fixture();
    for (const body of ["hello", new Uint8Array([0xff, 0x00, 0xfe]), ""]) {
      const problem = await problemOf(await post(handler, body), 400);
      assert.equal(problem.code, "MalformedEvent");
      assert.equal(problem.hint, "send JSON");
    }
    assert.deepEqual(refused, ["a", "a", "a"]);
  });

  it("answers 413 for more than 1 MiB, 200 for exactly that", async () => {
    const { handler, refused, parsed } = fixture();
    const exact = `"${"x".repeat(MIB - 2)}"`;
    const withLength = (body: string) => ({ headers: { "content-length": String(body.length) } });
    for (const init of [{}, withLength(exact)]) assert.equal((await post(handler, exact, init)).status, 200);
    const larger = `${exact} `;
    for (const init of [{}, withLength(larger)]) {
      assert.equal((await problemOf(await post(handler, larger, init), 413)).code, "EntityTooLarge");
    }
    assert.equal(parsed.length, 2);
    assert.deepEqual(refused, ["a", "a"]);
  });

  it("stops reading a body of 10 MB that did not say how large it is", async () => {
    const { handler } = fixture();
    let sent = 0;
    let cancelled = false;
    const chunk = new Uint8Array(64 * 1024);
    const pull = (controller: ReadableStreamDefaultController) => {
      sent += chunk.byteLength;
      if (sent > 10 * MIB) controller.close();
      else controller.enqueue(chunk);
    };
    const cancel = () => {
      cancelled = true;
    };
    const body = new ReadableStream({ pull, cancel });
    await problemOf(await post(handler, body), 413);
    assert.ok(sent < 2 * MIB, `read ${sent}`);
    assert.ok(cancelled);
  });

  it("does not begin to read a body of 10 MB that says so", async () => {
    const { handler } = fixture();
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    await problemOf(await post(handler, body, { headers: { "content-length": String(10 * MIB) } }), 413);
    assert.equal(pulled, 0);
  });

  it("answers 400 where the body breaks off", async () => {
    const { handler, refused } = fixture();
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    assert.equal((await problemOf(await post(handler, body), 400)).code, "InvalidRequest");
    assert.deepEqual(refused, ["a"]);
  });

  const failures: readonly (readonly [Error, ErrorCode, string])[] = [
    [new ReplicationError("Overloaded", "too many", { retryAfterMs: 2500, hint: "wait" }), "Overloaded", "3"],
    [new ReplicationError("LedgerUnavailable", "disk full"), "LedgerUnavailable", "1"],
    [new ReplicationError("LedgerCorrupt", "bad page"), "LedgerCorrupt", "1"],
    [new TypeError("a bug"), "Internal", "1"],
  ];
  for (const [error, code, retryAfter] of failures) {
    it(`answers 503 where the intake throws ${code}, and counts an outage`, async () => {
      const { handler, refused } = fixture({ refuseWith: error });
      const response = await post(handler, "{}");
      assert.equal(response.headers.get("retry-after"), retryAfter);
      const problem = await problemOf(response, 503);
      assert.equal(problem.code, code);
      assert.notEqual(problem.hint, null);
      assert.ok(!problem.detail.includes("a bug"));
      assert.deepEqual(refused, ["a"]);
    });
  }

  it("logs once what keeps events out, and once that it is over", async () => {
    const errors = [new ReplicationError("Overloaded", "x"), new ReplicationError("Overloaded", "y"), undefined, undefined];
    const accept = async () => {
      const error = errors.shift();
      if (error !== undefined) throw error;
    };
    const { handler, logged } = fixture({ intake: { accept } });
    const answers: number[] = [];
    while (errors.length > 0) answers.push((await post(handler, "{}")).status);
    assert.deepEqual(answers, [503, 503, 200, 200]);
    assert.equal(logged.length, 2);
  });

  it("counts an outage also where reading a message fails for a bug", async () => {
    const parse = () => {
      throw new TypeError("a bug");
    };
    const { handler, refused, logged } = fixture({ parse });
    assert.equal((await problemOf(await post(handler, "{}"), 500)).code, "Internal");
    assert.deepEqual([refused, logged.length], [["a"], 1]);
  });

  it("answers 405 for other methods, and counts no outage", async () => {
    const { handler, refused } = fixture();
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      const response = await handler.fetch(new Request(url("/events/a"), { method }));
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), "POST");
    }
    assert.deepEqual(refused, []);
  });
});

describe("tokens", () => {
  const tokens: readonly ScopedToken[] = [
    { token: "event-token", scope: "events" },
    { token: "read-token", scope: "read" },
    { token: "admin-token", scope: "admin" },
  ];
  const basic = (password: string) => `Basic ${Buffer.from(`x:${password}`).toString("base64")}`;
  const expected: readonly (readonly [string | undefined, number, number])[] = [
    [undefined, 401, 401],
    ["Bearer wrong", 401, 401],
    ["Bearer ", 401, 401],
    ["Bearer event-toke", 401, 401],
    ["event-token", 401, 401],
    ["Digest event-token", 401, 401],
    [basic("wrong"), 401, 401],
    ["Basic ???", 401, 401],
    ["Bearer event-token", 200, 403],
    ["bearer event-token", 200, 403],
    [basic("event-token"), 200, 403],
    ["Bearer read-token", 200, 200],
    ["Bearer admin-token", 200, 200],
  ];
  for (const [authorization, events, read] of expected) {
    it(`lets ${authorization ?? "nothing"} do what its scope says`, async () => {
      const { handler, refused } = fixture({ tokens });
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      assert.equal((await post(handler, "{}", { headers })).status, events);
      for (const path of ["/api/v1/status", "/metrics"]) assert.equal((await get(handler, path, authorization)).status, read);
      for (const path of ["/healthz", "/readyz"]) assert.equal((await get(handler, path, authorization)).status, 200);
      assert.deepEqual(refused, []);
    });
  }

  it("says what is needed, and not which stores there are", async () => {
    const { handler } = fixture({ tokens });
    const response = await post(handler, "{}", { path: "/events/unknown" });
    assert.equal(response.headers.get("www-authenticate"), "Bearer");
    assert.equal((await problemOf(response, 401)).code, "Unauthorized");
    assert.equal((await problemOf(await get(handler, "/api/v1/status", "Bearer event-token"), 403)).code, "AccessDenied");
  });
});

describe("probes", () => {
  it("says that the process is up", async () => {
    const { handler } = fixture();
    assert.deepEqual(await json(await get(handler, "/healthz")), { status: "ok", name: "acme", version: "1.2.3" });
    assert.equal((await handler.fetch(new Request(url("/healthz"), { method: "HEAD" }))).status, 200);
  });

  it("says whether it is ready, and why not", async () => {
    assert.deepEqual(await json(await get(fixture().handler, "/readyz")), { status: "ready" });
    const { handler } = fixture({ ready: async () => ({ ready: false, reason: "draining" }) });
    const problem = await problemOf(await get(handler, "/readyz"), 503);
    assert.deepEqual([problem.code, problem.detail], ["NotReady", "draining"]);
  });

  it("gives the metrics in Prometheus' format", async () => {
    const response = await get(fixture().handler, "/metrics");
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(await response.text(), "replicast_x 1\n");
  });
});

describe("GET /api/v1", () => {
  const known = {
    operationsPending: 3,
    bytesPending: 30,
    operationsCompleted: 120,
    bytesCompleted: 491520,
    operationsFailed: 1,
    operationsHeld: 2,
  };
  const none = { operationsPending: 0, bytesPending: 0, operationsCompleted: 0, bytesCompleted: 0, operationsFailed: 0, operationsHeld: 0 };

  it("status: every rule and destination", async () => {
    const { handler } = fixture();
    const replicationLatencyMs = { p50: 12, p95: 30, p99: 41, max: 55 };
    assert.deepEqual(await json(await get(handler, "/api/v1/status")), {
      schemaVersion: 1,
      name: "acme",
      rules: [
        {
          id: "photos",
          engine: "copy",
          state: "ACTIVE",
          direction: "forward",
          lastSyncAt: AT,
          destinations: [
            { id: "b:copy", bucket: "b:copy", ...known, oldestPendingAt: AT, replicationLatencyMs },
            { id: "c:copy", bucket: "c:copy", ...none, oldestPendingAt: null, replicationLatencyMs: null },
          ],
        },
      ],
      intake: [{ store: "a", received: 5, ignored: 1, malformed: 1, lastMalformed: { reason: "why", at: AT } }],
      ledger: "OLD",
    });
    assert.deepEqual(await json(await get(handler, "/api/v1/status?rule=photos")), await json(await get(handler, "/api/v1/status")));
    assert.equal((await problemOf(await get(handler, "/api/v1/status?rule=x"), 400)).hint, "known rules: photos");
  });

  it("the engine that serves each rule, of the rule and of its rows", async () => {
    const { handler } = fixture({ engineOf: (rule) => (rule === "photos" ? "native" : "copy") });
    const { rules } = (await json(await get(handler, "/api/v1/status"))) as { rules: { engine: string }[] };
    const { entries } = (await json(await get(handler, "/api/v1/objects?bucket=a:photos&key=raw/x%20y"))) as {
      entries: { engine: string }[];
    };
    const { items } = (await json(await get(handler, "/api/v1/objects"))) as { items: { engine: string }[] };
    assert.deepEqual(new Set([...rules, ...entries, ...items].map(({ engine }) => engine)), new Set(["native"]));
    assert.deepEqual([rules.length, entries.length, items.length], [1, 2, 2]);
  });

  it("status: DISABLED rules", async () => {
    const { handler } = fixture({ rules: [{ ...RULE, enabled: false }] });
    const document = (await json(await get(handler, "/api/v1/status"))) as { rules: { state: string }[] };
    assert.equal(document.rules[0]?.state, "DISABLED");
  });

  const completed = {
    rule: "photos",
    destination: "b:copy",
    engine: "copy",
    operation: "copy",
    status: "COMPLETED",
    reason: null,
    notes: [],
    versionId: "v",
    etag: "e",
    bytes: 4096,
    proof: "etag",
    destinationEtag: "d",
    destinationVersionId: null,
    origin: "a:photos",
    attempts: 1,
    eventTime: AT,
    startedAt: AT,
    finishedAt: AT,
    nextAttemptAt: null,
    replicationLatencyMs: 12,
    error: null,
  };

  it("objects: one object, its rows in the order of the destinations", async () => {
    const { handler, state } = fixture();
    const references = ["a:photos", RULE.source.id, "s3://a:photos", "a:photos@eu-west-1", "https://A.test/photos"];
    for (const bucket of references) {
      const query = new URLSearchParams({ bucket, key: "raw/x y" });
      const document = (await json(await get(handler, `/api/v1/objects?${query}`))) as { entries: unknown[] };
      assert.deepEqual(
        { ...document, entries: document.entries.slice(0, 1) },
        { schemaVersion: 1, bucket: "a:photos", key: "raw/x y", entries: [completed] },
      );
      assert.equal(document.entries.length, 2);
    }
    assert.deepEqual(
      state.lookups,
      references.map(() => [RULE.source.id, "raw/x y"]),
    );
  });

  it("objects: an object nobody knows has no rows, a bucket nobody knows is an error", async () => {
    const { handler, state } = fixture();
    state.entries = [];
    const none = { schemaVersion: 1, bucket: "a:photos", key: "k", entries: [] };
    assert.deepEqual(await json(await get(handler, "/api/v1/objects?bucket=a:photos&key=k")), none);
    const problem = await problemOf(await get(handler, "/api/v1/objects?bucket=a:nope&key=k"), 404);
    assert.deepEqual([problem.code, problem.hint], ["NoSuchBucket", "sources of the rules: a:photos"]);
    for (const query of ["bucket=a:photos", "key=k", "bucket=&key=k", "bucket=a:photos&key="]) {
      assert.equal((await problemOf(await get(handler, `/api/v1/objects?${query}`), 400)).code, "InvalidRequest");
    }
  });

  it("objects: asks whoever can read references", async () => {
    const { handler } = fixture({ resolveBucket: (reference) => (reference === "photos@eu" ? RULE.source : undefined) });
    assert.equal((await get(handler, "/api/v1/objects?bucket=photos@eu&key=k")).status, 200);
  });

  it("objects: a page of rows by filters", async () => {
    const { handler, state } = fixture();
    const query = "rule=photos&destination=b:copy&status=completed&since=2026-11-21T01:00:00Z&limit=5000&nextToken=t";
    assert.deepEqual(await json(await get(handler, `/api/v1/objects?${query}`)), {
      schemaVersion: 1,
      items: [{ bucket: "a:photos", key: "raw/x y", ...completed }],
      nextToken: "next",
    });
    const filter = { rule: "photos", destination: "s3://b.test/copy", status: "COMPLETED", since: NOW, limit: 1000, nextToken: "t" };
    assert.deepEqual(state.filters, [filter]);
    for (const bad of ["rule=x", "destination=x", "status=DONE", "since=whenever", "limit=0", "limit=many"]) {
      assert.equal((await problemOf(await get(handler, `/api/v1/objects?${bad}`), 400)).code, "InvalidRequest");
    }
  });

  it("failures: rows that failed, with an id", async () => {
    const { handler, state } = fixture();
    const document = (await json(await get(handler, "/api/v1/failures?limit=1"))) as { items: { id: string }[] };
    const { id, ...item } = document.items[0]!;
    assert.match(id, /^[\w-]+$/);
    assert.deepEqual(item, {
      rule: "photos",
      destination: "c:copy",
      bucket: "a:photos",
      key: "raw/x y",
      versionId: null,
      attempts: 10,
      firstFailedAt: AT,
      lastFailedAt: AT,
      error: ENTRY.error,
    });
    assert.equal(document.items.length, 1);
    assert.equal(state.filters[0]?.status, "FAILED");
  });

  it("rows of what is no longer in the config keep their canonical names", async () => {
    const { handler, state } = fixture();
    state.entries = [{ ...ENTRY, rule: "old", destination: "s3://x/y" }];
    const { items } = (await json(await get(handler, "/api/v1/failures"))) as { items: { destination: string; bucket: null }[] };
    assert.deepEqual([items[0]?.destination, items[0]?.bucket], ["s3://x/y", null]);
  });

  it("stores: the stores of the config", async () => {
    const document = (await json(await get(fixture().handler, "/api/v1/stores"))) as { items: unknown[]; nextToken: null };
    assert.deepEqual(document.items[0], { name: "a", endpoint: "http://a.test", region: "us-east-1", events: "webhook", up: true });
    assert.equal(document.nextToken, null);
  });

  it("answers 405 for other methods and 404 for other paths", async () => {
    const { handler } = fixture();
    const response = await handler.fetch(new Request(url("/api/v1/status"), { method: "POST" }));
    assert.equal(response.headers.get("allow"), "GET, HEAD");
    assert.equal((await problemOf(response, 405)).code, "MethodNotAllowed");
    assert.equal((await problemOf(await get(handler, "/nope"), 404)).code, "NotFound");
  });

  it("answers 503 where the state is away, 500 for a bug, and logs only that", async () => {
    const { handler, state, logged } = fixture();
    state.failure = new ReplicationError("LedgerUnavailable", "disk full");
    assert.equal((await problemOf(await get(handler, "/api/v1/status"), 503)).code, "LedgerUnavailable");
    assert.equal(logged.length, 0);
    state.failure = new TypeError("a bug with a secret");
    const problem = await problemOf(await get(handler, "/api/v1/status"), 500);
    assert.ok(!JSON.stringify(problem).includes("secret"));
    assert.equal(logged.length, 1);
  });
});
