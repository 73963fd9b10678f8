import assert from "node:assert/strict";
import type { Conflict } from "../domain/conflict.ts";
import { type GateState, OPEN_GATE } from "../domain/delete-gate.ts";
import { isReplicationError } from "../domain/error.ts";
import type { Fingerprint } from "../domain/fingerprint.ts";
import type { ConflictFilter, Route, Safeguards } from "../ports/state.ts";
import { describeState, PHOTOS, type StateCases, type StateContract } from "./state-contract.ts";

const EU: Route = { ...PHOTOS, destination: "s3://three.example/copy" };
const BACK: Route = { rule: PHOTOS.rule, source: PHOTOS.destination, destination: PHOTOS.source };
const SHUT: GateState = {
  shutAt: 9,
  passed: [
    [1, 2],
    [3, 4],
  ],
  population: 7,
};

function conflictOf(id: string, overrides: Partial<Conflict> = {}): Conflict {
  const object = { etag: "e", versionId: null, sizeBytes: 1, lastModified: 2, tagsHash: null, attributesHash: null };
  const side = { bucket: PHOTOS.source, key: "k\0\u{1f600}", object, origin: PHOTOS.source, originTime: 1 };
  return {
    id,
    rule: PHOTOS.rule,
    key: "k\0\u{1f600}",
    sides: [side, { ...side, bucket: PHOTOS.destination, object: null }],
    winner: null,
    resolvedBy: null,
    detectedAt: 5,
    resolvedAt: null,
    ...overrides,
  };
}

const FINGERPRINT: Fingerprint = {
  takenAt: 5,
  server: "Server \u{1f600}/1",
  honours: { conditionalPut: true, conditionalCopy: false, conditionalComplete: true, conditionalDelete: false },
  survey: {
    listsInOrder: true,
    keyEncoding: "url",
    refusedKeys: ["a backslash"],
    holdsKeyAndBelow: null,
    checksums: true,
    tags: false,
    acl: null,
  },
};

const RESOLVED = { winner: PHOTOS.source, resolvedBy: "newest", resolvedAt: 8 } as const;

/** Holds an adapter to the promises of `Safeguards`. */
export function describeSafeguards(contract: StateContract): void {
  describeState("Safeguards", contract, cases);
}

const cases: StateCases = {
  "a gate that nobody saved is open": async ({ state: { safeguards } }) => {
    assert.deepEqual(await safeguards.gate(PHOTOS), OPEN_GATE);
    assert.deepEqual(await safeguards.gates(), []);
  },
  "a gate is what was saved last, of its route alone": async ({ state: { safeguards } }) => {
    await safeguards.saveGate(PHOTOS, SHUT);
    await safeguards.saveGate(EU, { ...SHUT, shutAt: null, population: null });
    await safeguards.saveGate(EU, { ...SHUT, passed: [] });
    assert.deepEqual(await safeguards.gate({ ...PHOTOS }), SHUT);
    assert.deepEqual(await safeguards.gate(EU), { ...SHUT, passed: [] });
    assert.deepEqual(await safeguards.gate(BACK), OPEN_GATE);
    const gates = new Map((await safeguards.gates()).map(({ route, gate }) => [route.destination, gate.passed.length]));
    assert.deepEqual(
      gates,
      new Map([
        [EU.destination, 0],
        [PHOTOS.destination, 2],
      ]),
    );
  },
  "a gate alone is no route that anything was replicated by": async ({ state: { safeguards, ledger } }) => {
    await safeguards.saveGate(PHOTOS, SHUT);
    assert.deepEqual(await ledger.summaries(10), []);
  },
  "a conflict is read as it was saved, and replaced by its id": async ({ state: { safeguards } }) => {
    assert.equal(await safeguards.conflict("a"), undefined);
    await safeguards.saveConflict(conflictOf("a"));
    await safeguards.saveConflict(conflictOf("b"));
    assert.deepEqual(await safeguards.conflict("a"), conflictOf("a"));
    await safeguards.saveConflict(conflictOf("a", RESOLVED));
    assert.deepEqual(await safeguards.conflict("a"), conflictOf("a", RESOLVED));
    assert.equal((await safeguards.conflicts({ limit: 10 })).conflicts.length, 2);
  },
  "conflicts come the newest first, on pages without a gap or a repetition": async ({ state: { safeguards } }) => {
    const times = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
    for (const [index, detectedAt] of times.entries()) await safeguards.saveConflict(conflictOf(`c${index}`, { detectedAt }));
    for (const limit of [1, 2, 10, 11, 12]) {
      const found = await everyPage(safeguards, { limit });
      assert.equal(new Set(found.map(({ id }) => id)).size, times.length);
      assert.deepEqual(
        found.map(({ detectedAt }) => detectedAt),
        [...times].sort((a, b) => b - a),
      );
    }
  },
  "conflicts are narrowed by rule and by whether a person has to say": async ({ state: { safeguards } }) => {
    await safeguards.saveConflict(conflictOf("a", { detectedAt: 4 }));
    await safeguards.saveConflict(conflictOf("b", { detectedAt: 3, ...RESOLVED }));
    await safeguards.saveConflict(conflictOf("c", { detectedAt: 2, rule: "logs" }));
    await safeguards.saveConflict(conflictOf("d", { detectedAt: 1, rule: "logs", ...RESOLVED }));
    const ids = async (filter: Partial<ConflictFilter>) => {
      return (await everyPage(safeguards, { limit: 1, ...filter })).map(({ id }) => id).join("");
    };
    assert.equal(await ids({}), "abcd");
    assert.equal(await ids({ open: true }), "ac");
    assert.equal(await ids({ open: false }), "bd");
    assert.equal(await ids({ rule: "logs" }), "cd");
    assert.equal(await ids({ rule: "logs", open: true }), "c");
    assert.equal(await ids({ rule: "nobody" }), "");
    await safeguards.saveConflict(conflictOf("a", { detectedAt: 4, ...RESOLVED }));
    assert.equal(await ids({ open: true }), "c");
  },
  "a token that no list gave is refused": async ({ state: { safeguards } }) => {
    for (const nextToken of ["", "?", "bm9uc2Vuc2U", "W10"]) {
      const promise = safeguards.conflicts({ limit: 1, nextToken });
      await assert.rejects(promise, (error) => isReplicationError(error) && error.code === "InvalidRequest");
    }
  },
  "a rule is paused until it is resumed": async ({ state: { safeguards } }) => {
    assert.deepEqual(await safeguards.pausedRules(), []);
    for (const rule of ["photos", "logs", "photos"]) await safeguards.setPaused(rule, true);
    assert.deepEqual([...(await safeguards.pausedRules())].sort(), ["logs", "photos"]);
    await safeguards.setPaused("photos", false);
    await safeguards.setPaused("never paused", false);
    assert.deepEqual(await safeguards.pausedRules(), ["logs"]);
  },
  "a fingerprint is what was saved last, of its bucket alone": async ({ state: { safeguards } }) => {
    assert.equal(await safeguards.fingerprint(PHOTOS.source), undefined);
    await safeguards.saveFingerprint(PHOTOS.source, { ...FINGERPRINT, server: "old" });
    await safeguards.saveFingerprint(PHOTOS.source, FINGERPRINT);
    assert.deepEqual(await safeguards.fingerprint(PHOTOS.source), FINGERPRINT);
    assert.equal(await safeguards.fingerprint(PHOTOS.destination), undefined);
  },
  "all of it is kept through a reopening": async (harness, reopened) => {
    await harness.state.safeguards.saveGate(PHOTOS, SHUT);
    await harness.state.safeguards.saveConflict(conflictOf("a"));
    await harness.state.safeguards.setPaused("photos", true);
    await harness.state.safeguards.saveFingerprint(PHOTOS.source, FINGERPRINT);
    const next = await harness.reopen();
    reopened(next);
    const { safeguards } = next.state;
    assert.deepEqual(await safeguards.gates(), [{ route: PHOTOS, gate: SHUT }]);
    assert.deepEqual((await safeguards.conflicts({ limit: 10 })).conflicts, [conflictOf("a")]);
    assert.deepEqual(await safeguards.pausedRules(), ["photos"]);
    assert.deepEqual(await safeguards.fingerprint(PHOTOS.source), FINGERPRINT);
  },
};

async function everyPage(safeguards: Safeguards, filter: ConflictFilter): Promise<readonly Conflict[]> {
  const found: Conflict[] = [];
  for (let nextToken: string | null | undefined; nextToken !== null; ) {
    const page = await safeguards.conflicts({ ...filter, nextToken });
    assert.ok(page.conflicts.length <= filter.limit);
    found.push(...page.conflicts);
    nextToken = page.nextToken;
  }
  return found;
}
