import assert from "node:assert/strict";
import { describeState, type StateCases, type StateContract } from "./state-contract.ts";

/** Holds an adapter to the promises of `Journal`. */
export function describeJournal(contract: StateContract): void {
  describeState("Journal", contract, cases);
}

const cases: StateCases = {
  "intake is counted per store, and nothing is known of one that sent nothing": async ({ state: { journal } }) => {
    assert.deepEqual(await journal.intake(), []);
    await journal.countIntake("b", { received: 1, ignored: 0 });
    await Promise.all(Array.from({ length: 20 }, () => journal.countIntake("a", { received: 2, ignored: 1 })));
    assert.deepEqual(await journal.intake(), [
      { store: "a", received: 40, ignored: 20, malformed: 0, lastMalformed: null },
      { store: "b", received: 1, ignored: 0, malformed: 0, lastMalformed: null },
    ]);
  },
  "a message set aside is counted as malformed, the last one with its reason": async (harness) => {
    const { journal } = harness.state;
    await journal.countIntake("a", { received: 3, ignored: 0 });
    await journal.setAside("a", { reason: "no Records", excerpt: "{}" });
    await harness.advance(5);
    await journal.setAside("a", { reason: "no key", excerpt: "{\0}" });
    assert.deepEqual(await journal.intake(), [
      { store: "a", received: 3, ignored: 0, malformed: 2, lastMalformed: { reason: "no key", at: harness.now() } },
    ]);
  },
  "an outage is marked once and stays until it is cleared": async (harness, reopened) => {
    const { journal } = harness.state;
    assert.deepEqual(await journal.outages(), []);
    await journal.markOutage("a");
    await journal.markOutage("a");
    await journal.markOutage("b");
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual([...(await next.state.journal.outages())].sort(), ["a", "b"]);
    await next.state.journal.clearOutage("a");
    await next.state.journal.clearOutage("never marked");
    assert.deepEqual(await next.state.journal.outages(), ["b"]);
  },
  "the progress of a sync is what was saved last": async ({ state: { journal } }) => {
    assert.equal(await journal.syncProgress("photos"), undefined);
    await journal.saveSyncProgress("photos", { startedAt: 1, after: null, finishedAt: null });
    await journal.saveSyncProgress("photos", { startedAt: 1, after: "k\0\u{1f600}", finishedAt: null });
    assert.deepEqual(await journal.syncProgress("photos"), { startedAt: 1, after: "k\0\u{1f600}", finishedAt: null });
    await journal.saveSyncProgress("photos", { startedAt: 1, after: null, finishedAt: 9 });
    assert.deepEqual(await journal.syncProgress("photos"), { startedAt: 1, after: null, finishedAt: 9 });
    assert.equal(await journal.syncProgress("logs"), undefined);
  },
  "a rule is as old as its first run here": async (harness, reopened) => {
    const [first, second] = await Promise.all([harness.state.journal.ruleSince("photos", 5), harness.state.journal.ruleSince("photos", 6)]);
    assert.deepEqual([first, second], [5, 5]);
    assert.equal(await harness.state.journal.ruleSince("logs", 8), 8);
    const next = await harness.reopen();
    reopened(next);
    assert.equal(await next.state.journal.ruleSince("photos", 9), 5);
  },
  "the engine of a rule is what was saved last, and undecided at first": async (harness, reopened) => {
    assert.equal(await harness.state.journal.engine("photos"), undefined);
    await harness.state.journal.saveEngine("photos", "copy");
    await harness.state.journal.saveEngine("photos", "native");
    await harness.state.journal.saveEngine("logs", "copy");
    const next = await harness.reopen();
    reopened(next);
    const { journal } = next.state;
    assert.deepEqual(await Promise.all(["photos", "logs", "other"].map((rule) => journal.engine(rule))), ["native", "copy", undefined]);
  },
  "the epoch is what was saved last, and there is none at first": async (harness, reopened) => {
    assert.equal(await harness.state.journal.epoch(), undefined);
    await harness.state.journal.saveEpoch({ epoch: "one", generation: 3, distrust: null });
    await harness.state.journal.saveEpoch({ epoch: "two", generation: 2, distrust: "lost" });
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await next.state.journal.epoch(), { epoch: "two", generation: 2, distrust: "lost" });
  },
  "the journal is kept through a reopening": async (harness, reopened) => {
    await harness.state.journal.countIntake("a", { received: 2, ignored: 1 });
    await harness.state.journal.setAside("a", { reason: "r", excerpt: "e" });
    await harness.state.journal.saveSyncProgress("photos", { startedAt: 1, after: "k", finishedAt: null });
    const before = await harness.state.journal.intake();
    const next = await harness.reopen();
    reopened(next);
    assert.deepEqual(await next.state.journal.intake(), before);
    assert.deepEqual(await next.state.journal.syncProgress("photos"), { startedAt: 1, after: "k", finishedAt: null });
  },
};
