import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bucket } from "../domain/bucket.ts";
import type { Conflict } from "../domain/conflict.ts";
import { OPEN_GATE } from "../domain/delete-gate.ts";
import { compareContents, type Holding } from "../domain/holding.ts";
import { restoreNote } from "../domain/restore-note.ts";
import { PLAIN_COPY, type Rule } from "../domain/rule.ts";
import { blankEntry, type LedgerEntry, type ReplicaRecord } from "../domain/status.ts";
import type { Changes, Route } from "../ports/state.ts";
import { LeapingClock } from "../testing/leaping-clock.ts";
import { MemoryState } from "../testing/memory-state.ts";
import type { ScopedToken } from "./authenticator.ts";
import type { ConflictItem, ExplainDocument, FailureItem, HeldDeleteItem, ListDocument, StatusDocument } from "./contract.ts";
import { createHandler, type HandlerOptions } from "./handler.ts";

const NOW = Date.UTC(2026, 10, 21, 1);

const bucketOf = (store: string): Bucket => ({ id: `s3://${store}.test/team`, name: `${store}:team`, store, bucket: "team" });

const destinationOf = (store: string, prefix = "") => ({
  id: `${store}:team`,
  canonicalId: `s3://${store}.test/team${prefix && `/${prefix}`}`,
  bucket: bucketOf(store),
  prefix,
  existingObjects: true,
});

const PLAIN = {
  filter: {},
  preserve: { tags: true, storageClass: true, acl: false, objectLock: false, encryption: false },
  enabled: true,
  ...PLAIN_COPY,
};

const MEMBERS = ["a", "b", "c"];

/** A mesh: one rule for every member. */
const TEAM: readonly Rule[] = MEMBERS.map((store) => ({
  ...PLAIN,
  id: "team",
  source: bucketOf(store),
  destinations: MEMBERS.filter((other) => other !== store).map((other) => destinationOf(other)),
  mesh: MEMBERS.map((member) => bucketOf(member).id),
  deletes: "propagate",
  conflict: "hold",
}));

const LOGS: Rule = {
  ...PLAIN,
  id: "logs",
  source: bucketOf("a"),
  destinations: [destinationOf("z", "in/")],
  filter: { prefix: "log/", suffix: ".gz", minBytes: 10, tags: { team: "x" } },
};

const routeOf = (from: string, to: string, rule = "team"): Route => ({
  rule,
  source: bucketOf(from).id,
  destination: rule === "logs" ? "s3://z.test/team/in/" : bucketOf(to).id,
});

const REPLICA: ReplicaRecord = {
  etag: "e",
  versionId: null,
  lastModified: NOW,
  attributeHash: null,
  bytes: 4096,
  proof: "etag",
  destinationEtag: "d",
  destinationVersionId: null,
};

const FAILED: Partial<LedgerEntry> = {
  status: "FAILED",
  reason: "AccessDenied",
  attempts: 10,
  eventTime: NOW - 9,
  finishedAt: NOW - 5,
  firstFailedAt: NOW - 8,
  error: { code: "AccessDenied", message: "no", hint: "allow it", operation: "PutObject" },
};

const HELD: Partial<LedgerEntry> = {
  status: "HELD",
  reason: "DeleteGate",
  operation: "delete",
  eventTime: NOW - 9,
  finishedAt: NOW - 5,
  replica: REPLICA,
};

class Fixture {
  readonly state = new MemoryState({ clock: new LeapingClock(NOW) });
  readonly paused: (readonly string[])[] = [];
  readonly handler;

  constructor(changes: Partial<HandlerOptions> = {}) {
    this.handler = createHandler({
      name: "acme",
      version: "1",
      rules: [...TEAM, LOGS],
      state: this.state,
      intake: { accept: async () => {} },
      parse: () => ({ events: [], ignored: 0, malformed: [] }),
      stores: () => [],
      metrics: async () => "",
      ready: async () => ({ ready: true }),
      tokens: [],
      onPaused: (rules) => this.paused.push(rules),
      now: () => NOW,
      ...changes,
    });
  }

  async row(route: Route, key: string, fields: Partial<LedgerEntry>): Promise<void> {
    await this.state.ledger.adopt([{ route, entry: { ...blankEntry({ ...route, key }), ...fields } }]);
  }

  /** Shuts the gate of a route. */
  async shut(route: Route): Promise<void> {
    await this.state.safeguards.saveGate(route, { ...OPEN_GATE, shutAt: NOW - 60_000, population: 7 });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.handler.fetch(new Request(`http://127.0.0.1:8417/api/v1/${path}`, { headers }));
  }

  async read<T>(path: string): Promise<T> {
    const response = await this.get(path);
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as T;
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return this.handler.fetch(new Request(`http://127.0.0.1:8417/api/v1/${path}`, { method: "POST", body: text, headers }));
  }

  async change<T = unknown>(path: string, body?: unknown): Promise<T> {
    const response = await this.post(path, body);
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as T;
  }

  /** What waits to be done, and on what evidence. */
  async tasks(): Promise<readonly (readonly [from: string, to: string, key: string, changes: Changes])[]> {
    const tasks = await this.state.tasks.claim({ max: 100, now: NOW, leaseMs: 1000 });
    const storeOf = (id: string) => id.slice("s3://".length).split(".")[0] ?? "";
    return tasks
      .map(({ route, key, changes = {} }) => [storeOf(route.source), storeOf(route.destination), key, trueOnes(changes)] as const)
      .sort((x, y) => (x.join() < y.join() ? -1 : 1));
  }

  async entry(route: Route, key: string) {
    const entry = await this.state.ledger.get(route, key);
    return [entry?.status, entry?.reason, entry?.replica?.destinationEtag];
  }
}

function trueOnes(changes: Changes): Changes {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value === true));
}

async function codeOf(response: Response, status: number): Promise<string> {
  assert.equal(response.status, status, await response.clone().text());
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const { code, hint } = (await response.json()) as { code: string; hint: string | null };
  assert.notEqual(hint, null);
  return code;
}

describe("failures", () => {
  it("are told apart by their source where a rule has several, also where their rows are the same", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "c"), "k", FAILED);
    await at.row(routeOf("b", "c"), "k", FAILED);
    const { items } = await at.read<ListDocument<FailureItem>>("failures");
    assert.deepEqual(items.map(({ bucket }) => bucket).sort(), ["a:team", "b:team"]);
    assert.equal(new Set(items.map(({ id }) => id)).size, 2);
    for (const item of items) {
      assert.deepEqual(await at.read(`failures/${item.id}`), { schemaVersion: 1, ...item });
      assert.deepEqual([item.destination, item.attempts, item.error?.hint], ["c:team", 10, "allow it"]);
    }
  });

  it("keep their own source where their rows differ", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "c"), "k", { ...FAILED, finishedAt: NOW - 1 });
    await at.row(routeOf("b", "c"), "k", { ...FAILED, finishedAt: NOW - 2 });
    const { items } = await at.read<ListDocument<FailureItem>>("failures?limit=1");
    const all = (await at.read<ListDocument<FailureItem>>("failures")).items;
    assert.deepEqual(all[0], items[0]);
    const failedAt = new Map(all.map(({ bucket, lastFailedAt }) => [bucket, lastFailedAt]));
    assert.deepEqual(
      [failedAt.get("a:team"), failedAt.get("b:team")],
      [NOW - 1, NOW - 2].map((ms) => new Date(ms).toISOString()),
    );
  });

  it("redrive: those named are wanted again on the evidence they had, and are failures no more", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "c"), "k", FAILED);
    await at.row(routeOf("a", "b"), "gone", { ...FAILED, operation: "delete" });
    await at.row(routeOf("a", "b"), "other", FAILED);
    const { items } = await at.read<ListDocument<FailureItem>>("failures");
    const ids = items.filter(({ key }) => key !== "other").map(({ id }) => id);
    assert.deepEqual(await at.change("failures/redrive", { ids: [...ids, "nonsense"] }), {
      schemaVersion: 1,
      changed: 2,
      notFound: ["nonsense"],
    });
    assert.deepEqual(await at.change("failures/redrive", { ids: [ids[0]] }), { schemaVersion: 1, changed: 0, notFound: [ids[0]] });
    assert.equal(await codeOf(await at.get(`failures/${ids[0]}`), 404), "NotFound");
    assert.deepEqual(await at.tasks(), [
      ["a", "b", "gone", { deleted: true }],
      ["a", "c", "k", { written: true }],
    ]);
  });

  it("redrive: what was restored from an archive once may be once more", async () => {
    const at = new Fixture();
    const route = routeOf("a", "c");
    await at.row(route, "k", { ...FAILED, notes: ["Expired", restoreNote({ etag: "e", lastModified: NOW })] });
    await at.change("failures/redrive", { all: true });
    assert.deepEqual((await at.state.ledger.get(route, "k"))?.notes, ["Expired"]);
    assert.deepEqual(await at.tasks(), [["a", "c", "k", { written: true }]]);
  });

  it("redrive and discard: of one rule, or all, however many pages that is", async () => {
    const at = new Fixture();
    for (let i = 0; i < 1200; i++) await at.row(routeOf("a", "b"), `k${i}`, FAILED);
    await at.row(routeOf("a", "z", "logs"), "log/x", { ...FAILED, replica: REPLICA });
    assert.deepEqual(await at.change("failures/redrive", { rule: "team" }), { schemaVersion: 1, changed: 1200, notFound: [] });
    assert.equal((await at.state.tasks.pending())[0]?.operations, 1200);
    assert.deepEqual(await at.change("failures/discard", { all: true }), { schemaVersion: 1, changed: 1, notFound: [] });
    assert.deepEqual(await at.entry(routeOf("a", "z", "logs"), "log/x"), ["SKIPPED", "Discarded", "d"]);
    assert.deepEqual((await at.read<ListDocument<FailureItem>>("failures")).items, []);
  });

  it("of a rule that is no longer in the config can still be discarded", async () => {
    const at = new Fixture({ rules: [LOGS] });
    await at.row(routeOf("a", "b"), "k", FAILED);
    const { items } = await at.read<ListDocument<FailureItem>>("failures");
    assert.deepEqual([items[0]?.destination, items[0]?.bucket], ["s3://b.test/team", "a:team"]);
    assert.deepEqual(await at.change("failures/discard", { ids: [items[0]?.id] }), { schemaVersion: 1, changed: 1, notFound: [] });
    assert.deepEqual(await at.entry(routeOf("a", "b"), "k"), ["SKIPPED", "Discarded", undefined]);
  });

  it("of single versions are found by their version", async () => {
    const at = new Fixture();
    const route = routeOf("a", "z", "logs");
    await at.row(route, "log/x", { status: "COMPLETED", replica: REPLICA });
    await at.row(route, "log/x", { ...FAILED, versionId: "v1", reason: "OutOfOrder" });
    const { items } = await at.read<ListDocument<FailureItem>>("failures");
    assert.deepEqual(
      items.map(({ versionId }) => versionId),
      ["v1"],
    );
    assert.equal((await at.read<FailureItem>(`failures/${items[0]?.id}`)).versionId, "v1");
  });
});

describe("held deletes", () => {
  async function held(changes?: Partial<HandlerOptions>): Promise<Fixture> {
    const at = new Fixture(changes);
    await at.shut(routeOf("a", "b"));
    await at.shut(routeOf("a", "c"));
    await at.row(routeOf("a", "b"), "k1", HELD);
    await at.row(routeOf("a", "b"), "k2", HELD);
    await at.row(routeOf("a", "c"), "k1", HELD);
    await at.row(routeOf("b", "c"), "k3", { ...HELD, reason: "Conflict" });
    return at;
  }
  const isShut = async (at: Fixture, route: Route) => (await at.state.safeguards.gate(route)).shutAt !== null;

  it("are rows that the gate holds, and no other held rows", async () => {
    const at = await held();
    const { items, nextToken } = await at.read<ListDocument<HeldDeleteItem>>("deletes?limit=3");
    assert.deepEqual(items.map(({ key, destination }) => `${key} ${destination}`).sort(), ["k1 b:team", "k1 c:team", "k2 b:team"]);
    if (nextToken !== null) assert.deepEqual((await at.read<ListDocument<HeldDeleteItem>>(`deletes?nextToken=${nextToken}`)).items, []);
    const [item] = items;
    assert.deepEqual([item?.bucket, item?.bytes, item?.destinationEtag], ["a:team", 4096, "d"]);
    assert.deepEqual(await at.read(`deletes/${item?.id}`), { schemaVersion: 1, ...item });
  });

  it("approve: wanted again with the evidence and the approval, and their gate opens (invariant 4)", async () => {
    const at = await held();
    const { items } = await at.read<ListDocument<HeldDeleteItem>>("deletes?destination=b:team");
    assert.deepEqual(await at.change("deletes/approve", { ids: items.map(({ id }) => id) }), {
      schemaVersion: 1,
      changed: 2,
      notFound: [],
    });
    assert.deepEqual(await at.tasks(), [
      ["a", "b", "k1", { deleted: true, approved: true }],
      ["a", "b", "k2", { deleted: true, approved: true }],
    ]);
    assert.deepEqual(await at.state.safeguards.gate(routeOf("a", "b")), { ...OPEN_GATE, population: 7 });
    assert.ok(await isShut(at, routeOf("a", "c")));
  });

  it("approve: all of a rule, through whoever keeps the gates", async () => {
    const reopened: Route[] = [];
    const at = await held({ reopenGate: async (route) => void reopened.push(route) });
    assert.deepEqual(await at.change("deletes/approve", { rule: "team" }), { schemaVersion: 1, changed: 3, notFound: [] });
    assert.deepEqual(reopened.map(({ destination }) => destination).sort(), ["s3://b.test/team", "s3://c.test/team"]);
    assert.equal((await at.entry(routeOf("b", "c"), "k3"))[0], "HELD");
  });

  it("reject: the destination keeps its object, and the gate opens with the last of them", async () => {
    const at = await held();
    const { items } = await at.read<ListDocument<HeldDeleteItem>>("deletes?destination=b:team");
    await at.change("deletes/reject", { ids: [items[0]?.id] });
    assert.deepEqual(await at.entry(routeOf("a", "b"), items[0]?.key ?? ""), ["SKIPPED", "DeleteRejected", "d"]);
    assert.ok(await isShut(at, routeOf("a", "b")));
    await at.change("deletes/reject", { ids: [items[1]?.id] });
    assert.ok(!(await isShut(at, routeOf("a", "b"))));
    assert.deepEqual(await at.tasks(), []);
  });

  it("reject: the gate opens at once where that is asked for", async () => {
    const at = await held();
    const { items } = await at.read<ListDocument<HeldDeleteItem>>("deletes?destination=b:team");
    await at.change("deletes/reject", { ids: [items[0]?.id], reopen: true });
    assert.ok(!(await isShut(at, routeOf("a", "b"))));
  });
});

describe("conflicts", () => {
  const objectOf = (etag: string) => ({
    etag,
    versionId: null,
    sizeBytes: 5,
    lastModified: NOW - 1000,
    tagsHash: null,
    attributesHash: null,
  });
  const holdingOf = (store: string, etag: string | null): Holding => ({
    bucket: bucketOf(store).id,
    key: "k",
    object: etag === null ? null : objectOf(etag),
    content: { origin: bucketOf(store).id, originTime: NOW, originEtag: etag, dot: 7, history: { [bucketOf(store).id]: 7 } },
    isReplica: false,
    revision: 0,
  });
  const sideOf = ({ bucket, key, object, content }: Holding) => ({
    bucket,
    key,
    object,
    origin: content.origin,
    originTime: content.originTime,
  });

  async function conflicting(etags: readonly [string | null, string | null] = ["ea", "eb"]): Promise<Fixture> {
    const at = new Fixture();
    const holdings = [holdingOf("a", etags[0]), holdingOf("b", etags[1])] as const;
    assert.ok(await at.state.holdings.observe(holdings));
    const sides = [sideOf(holdings[0]), sideOf(holdings[1])] as const;
    const conflict: Conflict = {
      id: "c1",
      rule: "team",
      key: "k",
      sides,
      winner: null,
      resolvedBy: null,
      detectedAt: NOW,
      resolvedAt: null,
    };
    await at.state.safeguards.saveConflict(conflict);
    await at.row(routeOf("a", "b"), "k", { status: "HELD", reason: "Conflict" });
    return at;
  }

  const contentAt = async (at: Fixture, store: string) => (await at.state.holdings.known(bucketOf(store).id, "k")).holding?.content;

  it("are listed while they are open, with what both sides hold", async () => {
    const at = await conflicting();
    const { items } = await at.read<ListDocument<ConflictItem>>("conflicts?rule=team");
    assert.deepEqual(items, [
      {
        id: "c1",
        rule: "team",
        key: "k",
        state: "OPEN",
        sides: ["a", "b"].map((store) => ({
          bucket: `${store}:team`,
          key: "k",
          object: { etag: `e${store}`, versionId: null, bytes: 5, lastModified: "2026-11-21T00:59:59.000Z" },
          origin: `${store}:team`,
          originTime: "2026-11-21T01:00:00.000Z",
        })),
        winner: null,
        resolvedBy: null,
        detectedAt: "2026-11-21T01:00:00.000Z",
        resolvedAt: null,
      },
    ]);
    assert.deepEqual(await at.read("conflicts/c1"), { schemaVersion: 1, ...items[0] });
    assert.deepEqual((await at.read<ListDocument<ConflictItem>>("conflicts?state=resolved")).items, []);
    for (const bad of ["state=x", "rule=x", "limit=0"]) assert.equal(await codeOf(await at.get(`conflicts?${bad}`), 400), "InvalidRequest");
    assert.equal(await codeOf(await at.get("conflicts/c2"), 404), "NotFound");
  });

  it("resolve: the winner descends from both, and is brought to every other member (invariant 11)", async () => {
    const at = await conflicting();
    const loser = await contentAt(at, "a");
    const item = await at.change<ConflictItem>("conflicts/c1/resolve", { winner: "b:team" });
    assert.deepEqual([item.state, item.winner, item.resolvedBy], ["RESOLVED", "b:team", "person"]);
    const winner = await contentAt(at, "b");
    assert.ok(winner !== undefined && loser !== undefined);
    assert.equal(compareContents(winner, loser), "newer");
    assert.deepEqual(await contentAt(at, "a"), loser);
    assert.deepEqual(await at.tasks(), [
      ["a", "b", "k", { written: true }],
      ["b", "a", "k", { written: true }],
      ["b", "c", "k", { written: true }],
    ]);
  });

  it("resolve: a deletion that wins is evidence and approval of the deletes that follow", async () => {
    const at = await conflicting(["ea", null]);
    await at.change("conflicts/c1/resolve", { winner: bucketOf("b").id });
    assert.deepEqual(await at.tasks(), [
      ["a", "b", "k", { written: true }],
      ["b", "a", "k", { deleted: true, approved: true }],
      ["b", "c", "k", { deleted: true, approved: true }],
    ]);
  });

  it("resolve: said twice it is done once, and not undone", async () => {
    const at = await conflicting();
    const first = await at.change("conflicts/c1/resolve", { winner: "b:team" });
    const content = await contentAt(at, "b");
    assert.deepEqual(await at.change("conflicts/c1/resolve", { winner: "b:team" }), first);
    assert.equal(await codeOf(await at.post("conflicts/c1/resolve", { winner: "a:team" }), 409), "PreconditionFailed");
    assert.deepEqual(await contentAt(at, "b"), content);
  });

  it("resolve: decides nothing about what was written since (invariant 3)", async () => {
    for (const store of ["a", "b"]) {
      const at = await conflicting();
      assert.ok(await at.state.holdings.observe([{ ...holdingOf(store, "later"), revision: 1 }]));
      assert.equal(await codeOf(await at.post("conflicts/c1/resolve", { winner: "b:team" }), 409), "PreconditionFailed");
      assert.deepEqual(await at.tasks(), []);
      assert.equal((await at.read<ConflictItem>("conflicts/c1")).state, "OPEN");
    }
  });

  it("resolve: decides nothing where a delete was announced that nobody has looked after (invariants 3, 4)", async () => {
    for (const store of ["a", "b"]) {
      const at = await conflicting();
      await at.state.holdings.noteDelete(bucketOf(store).id, "k", NOW);
      assert.equal(await codeOf(await at.post("conflicts/c1/resolve", { winner: "b:team" }), 409), "PreconditionFailed");
      assert.deepEqual(await at.tasks(), []);
      assert.equal((await at.state.holdings.known(bucketOf(store).id, "k")).deletedAt, NOW);
    }
  });

  it("resolve: a delete announced again of what is deleted stands in nobody's way", async () => {
    const at = await conflicting(["ea", null]);
    await at.state.holdings.noteDelete(bucketOf("b").id, "k", NOW);
    assert.equal((await at.change<ConflictItem>("conflicts/c1/resolve", { winner: "b:team" })).state, "RESOLVED");
  });

  it("resolve: the winner descends also from a loser that has come to know of it since (invariant 11)", async () => {
    const at = await conflicting();
    const shown = holdingOf("a", "ea");
    const history = { ...shown.content.history, [bucketOf("b").id]: 7 };
    const loser = { ...shown.content, history };
    assert.ok(await at.state.holdings.observe([{ ...shown, content: loser, revision: 1 }]));
    await at.change("conflicts/c1/resolve", { winner: "b:team" });
    const winner = await contentAt(at, "b");
    assert.ok(winner !== undefined);
    assert.equal(compareContents(winner, loser), "newer");
  });

  it("resolve: a side of which only an announced write is known is what the conflict says", async () => {
    const at = await conflicting();
    const loser = await contentAt(at, "a");
    const { id } = bucketOf("b");
    await at.state.holdings.forgetBucket(id);
    const intent = { id: "i", bucket: id, key: "k", expected: null, content: holdingOf("a", null).content, expiresAt: NOW };
    assert.ok(await at.state.holdings.announce(intent, 0, NOW - 1));
    await at.change("conflicts/c1/resolve", { winner: "b:team" });
    const winner = await contentAt(at, "b");
    assert.ok(winner !== undefined && loser !== undefined);
    assert.equal(compareContents(winner, loser), "newer");
    assert.equal(winner.originEtag, "eb");
    assert.deepEqual(await contentAt(at, "a"), loser);
  });

  it("resolve: only one of the two sides can win", async () => {
    const at = await conflicting();
    assert.equal(await codeOf(await at.post("conflicts/c1/resolve", { winner: "c:team" }), 400), "InvalidRequest");
    assert.equal(await codeOf(await at.post("conflicts/c1/resolve", {}), 400), "InvalidRequest");
    assert.equal(await codeOf(await at.post("conflicts/c2/resolve", { winner: "a:team" }), 404), "NotFound");
    assert.deepEqual(await at.tasks(), []);
  });
});

describe("pause and resume", () => {
  it("are stored, told to the worker, and shown", async () => {
    const at = new Fixture();
    assert.deepEqual(await at.change("rules/team/pause"), { schemaVersion: 1, rule: "team", state: "PAUSED" });
    assert.deepEqual(await at.state.safeguards.pausedRules(), ["team"]);
    const states = async () => (await at.read<StatusDocument>("status")).rules.map(({ id, state }) => `${id} ${state}`);
    assert.deepEqual(await states(), ["team PAUSED", "logs ACTIVE"]);
    assert.deepEqual(await at.change("rules/team/resume"), { schemaVersion: 1, rule: "team", state: "ACTIVE" });
    assert.deepEqual(await states(), ["team ACTIVE", "logs ACTIVE"]);
    assert.deepEqual(at.paused, [["team"], []]);
    assert.equal(await codeOf(await at.post("rules/nope/pause"), 400), "InvalidRequest");
  });
});

describe("status of a mesh", () => {
  it("is one rule, with each member once and what all others bring it", async () => {
    const at = new Fixture();
    for (const [from, to] of [
      ["a", "b"],
      ["c", "b"],
      ["b", "a"],
    ] as const)
      await at.row(routeOf(from, to), "k", { status: "COMPLETED", replica: REPLICA });
    await at.row(routeOf("c", "b"), "held", HELD);
    await at.state.tasks.want(
      ["a", "c"].map((from) => ({ route: routeOf(from, "b"), key: "new", lane: "live", eventTime: NOW - (from === "a" ? 9 : 5) })),
    );
    const [team, logs, ...others] = (await at.read<StatusDocument>("status")).rules;
    assert.deepEqual([team?.id, logs?.id, others.length], ["team", "logs", 0]);
    assert.deepEqual(
      team?.destinations.map(({ bucket }) => bucket),
      ["a:team", "b:team", "c:team"],
    );
    const { operationsCompleted, operationsPending, operationsHeld, bytesCompleted, oldestPendingAt } = team?.destinations[1] ?? {};
    assert.deepEqual([operationsCompleted, operationsPending, operationsHeld, bytesCompleted], [2, 2, 1, 8192]);
    assert.equal(oldestPendingAt, new Date(NOW - 9).toISOString());
  });
});

describe("explain", () => {
  const explain = (at: Fixture, bucket: string, key: string) => at.read<ExplainDocument>(`explain?${new URLSearchParams({ bucket, key })}`);
  const ofLogs = async (at: Fixture, key: string) => {
    const { rules } = await explain(at, "a:team", key);
    const rule = rules.find((one) => one.rule === "logs");
    return [rule?.applies, ...(rule?.reasons ?? [])];
  };

  it("says by the key alone what no look at the object can change", async () => {
    const at = new Fixture();
    assert.deepEqual(await ofLogs(at, "x"), ["no", 'the key does not begin with "log/"', 'the key does not end with ".gz"']);
    assert.deepEqual(await ofLogs(at, "log/x.gz"), ["depends", "only objects of 10 bytes or more", "only objects tagged team=x"]);
    assert.match(String(await ofLogs(at, ".replicast/x")), /replicast's own/);
    await at.row(routeOf("a", "z", "logs"), "log/x.gz", { status: "COMPLETED", replica: REPLICA });
    assert.deepEqual(await ofLogs(at, "log/x.gz"), ["yes"]);
    await at.row(routeOf("a", "z", "logs"), "log/y.gz", { status: "SKIPPED", reason: "FilteredOut" });
    assert.equal((await ofLogs(at, "log/y.gz"))[0], "no");
    const disabled = new Fixture({ rules: [{ ...LOGS, enabled: false }] });
    assert.deepEqual(await ofLogs(disabled, "log/x.gz"), ["no", "the rule is disabled"]);
  });

  it("shows every row with its error, what gates hold, and who writes to the bucket", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "b"), "k", FAILED);
    await at.shut(routeOf("a", "c"));
    await at.change("rules/team/pause");
    const { rules, writtenBy } = await explain(at, "a:team", "k");
    const team = rules.find(({ rule }) => rule === "team");
    assert.equal(team?.state, "PAUSED");
    const [b, c] = team?.destinations ?? [];
    assert.deepEqual([b?.entry?.status, b?.entry?.attempts, b?.entry?.error?.hint, b?.gate?.state], ["FAILED", 10, "allow it", "OPEN"]);
    assert.deepEqual([c?.entry, c?.gate?.state], [null, "SHUT"]);
    assert.deepEqual(
      writtenBy.map(({ bucket }) => bucket),
      ["b:team", "c:team"],
    );
    const leaf = await explain(at, "z:team", "in/log/x.gz");
    assert.deepEqual([leaf.rules, leaf.writtenBy], [[], [{ rule: "logs", bucket: "a:team", key: "log/x.gz", entry: null }]]);
  });

  it("names a rule as the writer of what it carries, and of what it once did", async () => {
    const at = new Fixture();
    const writers = async (key: string) => (await explain(at, "z:team", key)).writtenBy.map(({ rule }) => rule);
    assert.deepEqual(await writers("in/log/x.gz"), ["logs"]);
    for (const key of ["in/x", "in/.replicast/x", "log/x.gz"]) assert.deepEqual(await writers(key), [], key);
    await at.row(routeOf("a", "z", "logs"), "x", { status: "COMPLETED", replica: REPLICA });
    assert.deepEqual(await writers("in/x"), ["logs"]);
  });

  it("shows the conflict that holds it", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "b"), "k", { status: "HELD", reason: "Conflict" });
    const side = { key: "k", object: null, origin: "o", originTime: 0 };
    const sides = [
      { ...side, bucket: bucketOf("a").id },
      { ...side, bucket: bucketOf("b").id },
    ] as const;
    const open = { rule: "team", key: "k", sides, winner: null, resolvedBy: null, detectedAt: 0, resolvedAt: null };
    await at.state.safeguards.saveConflict({ ...open, id: "mine" });
    await at.state.safeguards.saveConflict({
      ...open,
      id: "another",
      sides: [
        { ...sides[0], key: "x" },
        { ...sides[1], key: "x" },
      ],
    });
    for (const bucket of ["a:team", "b:team"]) {
      assert.deepEqual(
        (await explain(at, bucket, "k")).conflicts.map(({ id }) => id),
        ["mine"],
      );
    }
  });
});

const CHANGES = [
  "failures/redrive",
  "failures/discard",
  "deletes/approve",
  "deletes/reject",
  "conflicts/c/resolve",
  "rules/team/pause",
  "rules/team/resume",
];

describe("requests that change something", () => {
  const tokens: readonly ScopedToken[] = [
    { token: "read-token", scope: "read" },
    { token: "admin-token", scope: "admin" },
  ];

  for (const path of CHANGES) {
    it(`${path} needs the scope admin, and POST`, async () => {
      const at = new Fixture({ tokens });
      assert.equal(await codeOf(await at.post(path), 401), "Unauthorized");
      assert.equal(await codeOf(await at.post(path, {}, { authorization: "Bearer read-token" }), 403), "AccessDenied");
      assert.notEqual((await at.post(path, {}, { authorization: "Bearer admin-token" })).status, 403);
      const got = await at.get(path, { authorization: "Bearer admin-token" });
      assert.equal(got.headers.get("allow"), "POST");
      assert.equal(got.status, 405);
    });

    it(`${path} is refused to web pages of other sites`, async () => {
      const at = new Fixture();
      await at.row(routeOf("a", "b"), "k", FAILED);
      assert.equal(await codeOf(await at.post(path, { all: true }, { origin: "https://elsewhere.test" }), 403), "AccessDenied");
      assert.deepEqual([await at.tasks(), at.paused], [[], []]);
      assert.notEqual((await at.post(path, { all: true }, { origin: "http://127.0.0.1:8417" })).status, 403);
    });
  }

  it("say which rows are meant, in one way", async () => {
    const at = new Fixture();
    await at.row(routeOf("a", "b"), "k", FAILED);
    const wrong = [
      "",
      "[]",
      "nonsense",
      {},
      { ids: [] },
      { ids: [1] },
      { all: false },
      { all: true, rule: "team" },
      { rule: 1 },
      { rule: "x" },
    ];
    for (const body of wrong) assert.equal(await codeOf(await at.post("failures/redrive", body), 400), "InvalidRequest");
    assert.equal(await codeOf(await at.post("failures/redrive", { ids: ["x".repeat(1024 * 1024)] }), 413), "EntityTooLarge");
    assert.deepEqual(await at.tasks(), []);
  });
});
