import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type KeyVersion, planHistory, recognize, type VersionRow } from "./version-plan.ts";

const MARKER = "marker";

function versionOf(versionId: string, content: string, lastModified = 0): KeyVersion {
  const isDeleteMarker = content === MARKER;
  return { versionId, etag: isDeleteMarker ? "" : content, sizeBytes: content.length, lastModified, isDeleteMarker };
}

function rowOf(version: KeyVersion, destinationVersionId: string): VersionRow {
  const { etag, versionId, lastModified, sizeBytes: bytes } = version;
  const replica = { etag, versionId, lastModified, attributeHash: null, bytes, proof: null, destinationEtag: etag, destinationVersionId };
  return { status: "COMPLETED", reason: null, replica };
}

const failed = (reason: string): VersionRow => ({ status: "FAILED", reason, replica: null });
const SKIPPED: VersionRow = { status: "SKIPPED", reason: "FilteredOut", replica: null };

/** A source, a destination and a writer that may die before it records what it wrote. Oldest first. */
class Sides {
  readonly source: KeyVersion[] = [];
  readonly destination: KeyVersion[] = [];
  readonly rows = new Map<string, VersionRow>();
  readonly broken = new Set<string>();
  #last = 0;

  write(content: string, isBroken = false): void {
    const version = versionOf(`s${++this.#last}`, isBroken ? `broken ${this.#last}` : content);
    if (isBroken) this.broken.add(version.versionId);
    this.source.push(version);
  }

  writeElsewhere(): void {
    this.destination.push(versionOf(`f${++this.#last}`, `foreign ${this.#last}`));
  }

  /** Applies so many steps; where it dies only failures, which end a run, are recorded. */
  replay(steps: number, dies: boolean): void {
    const rows = new Map(this.rows);
    this.#recognize(rows);
    let left = steps;
    for (const step of planHistory(this.source.toReversed(), rows)) {
      if (left-- === 0) break;
      const { version } = step;
      if (step.do === "refuse") rows.set(version.versionId, failed("OutOfOrder"));
      else if (!this.broken.has(version.versionId)) rows.set(version.versionId, rowOf(version, this.#put(version)));
      else if (this.rows.get(version.versionId)?.reason !== "ArchivedObject") {
        rows.set(version.versionId, failed("ArchivedObject"));
        break;
      }
    }
    if (!dies) for (const [id, row] of rows) this.rows.set(id, row);
  }

  #put({ etag, isDeleteMarker }: KeyVersion): string {
    const versionId = `d${++this.#last}`;
    this.destination.push(versionOf(versionId, isDeleteMarker ? MARKER : etag));
    return versionId;
  }

  #recognize(rows: Map<string, VersionRow>): void {
    const recorded = new Set([...rows.values()].map(({ replica }) => replica?.destinationVersionId));
    const there = this.destination.slice(this.destination.findLastIndex(({ versionId }) => recorded.has(versionId)) + 1);
    const versions = planHistory(this.source.toReversed(), rows).flatMap((step) => (step.do === "apply" ? [step.version] : []));
    const mayBeLeftOut = ({ versionId }: KeyVersion) => rows.has(versionId);
    for (const [version, { versionId }] of recognize({ versions, there, mayBeLeftOut })) {
      rows.set(version.versionId, rowOf(version, versionId));
    }
  }

  /** The contents of the destination that are not foreign. */
  get carried(): readonly string[] {
    return this.destination.filter(({ versionId }) => !versionId.startsWith("f")).map(contentOf);
  }
}

const contentOf = ({ etag, isDeleteMarker }: KeyVersion) => (isDeleteMarker ? MARKER : etag);

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("write" as const), content: fc.constantFrom("a", "b", MARKER) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("elsewhere" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("replay" as const), steps: fc.nat(4), dies: fc.boolean() }) },
);

describe("the plan of a history", () => {
  it("invariants 1 and 2: brings every version once and in order, whenever the writer dies and whoever else writes", () => {
    const property = fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const sides = new Sides();
      for (const step of actions) {
        if (step.do === "write") sides.write(step.content);
        else if (step.do === "break") sides.write("", true);
        else if (step.do === "elsewhere") sides.writeElsewhere();
        else sides.replay(step.steps, step.dies);
      }
      for (let i = 0; i <= sides.broken.size; i++) sides.replay(Number.POSITIVE_INFINITY, false);
      const whole = sides.source.filter(({ versionId }) => !sides.broken.has(versionId));
      assert.deepEqual(sides.carried, whole.map(contentOf));
      assert.deepEqual(new Set(sides.rows.keys()), new Set(sides.source.map(({ versionId }) => versionId)));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it("is what the words say: missing ones oldest first, those under a replicated one refused unless passed over", () => {
    const state = fc.constantFrom("missing", "completed", "skipped", "failed", "refused");
    const property = fc.property(fc.array(state, { maxLength: 8 }), (states) => {
      const versions = states.map((_, i) => versionOf(`v${i}`, "x"));
      const row = { completed: rowOf(versions[0] ?? versionOf("v", "x"), "d"), skipped: SKIPPED, failed: failed("ArchivedObject") };
      const known = { ...row, refused: failed("OutOfOrder"), missing: undefined };
      const rows = new Map(states.flatMap((name, i) => (known[name] === undefined ? [] : [[`v${i}`, known[name]] as const])));
      const expected: string[] = [];
      for (const [i, name] of states.entries()) {
        const isUnder = states.slice(0, i).includes("completed");
        if (name === "completed") continue;
        if (!isUnder) expected.unshift(`apply v${i}`);
        else if (name !== "skipped" && name !== "refused") expected.unshift(`refuse v${i}`);
      }
      assert.deepEqual(
        planHistory(versions, rows).map(({ do: what, version }) => `${what} ${version.versionId}`),
        expected,
      );
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  it("takes the null version for another one once it was written again", () => {
    const before = versionOf("null", "a", 1_000);
    const rows = new Map([["null", rowOf(before, "d")]]);
    const left = (version: KeyVersion) => planHistory([version], rows).length;
    assert.equal(left(versionOf("null", "a", 1_999)), 0); // the same second: listings tell finer times than a HEAD
    assert.equal(left(versionOf("null", "a", 2_000)), 1);
    assert.equal(left(versionOf("null", "b", 1_000)), 1);
    assert.equal(left(versionOf("null", MARKER, 1_000)), 1);
  });
});

describe("recognizing what a dead writer left", () => {
  const contents = (of: readonly string[], prefix: string) => of.map((content, i) => versionOf(`${prefix}${i}`, content));
  const found = (versions: readonly string[], there: readonly string[], leftOut: readonly string[] = []) => {
    const map = recognize({
      versions: contents(versions, "s"),
      there: contents(there, "d"),
      mayBeLeftOut: ({ versionId }) => leftOut.includes(versionId),
    });
    return [...map].map(([version, written]) => `${version.versionId}=${written.versionId}`);
  };

  it("does not take a newer version for ours where an older one is missing: the whole history goes on top", () => {
    assert.deepEqual(found(["a", "b", "c"], ["c"]), []);
  });

  it("sees past versions that may have been left out, and past somebody else's", () => {
    assert.deepEqual(found(["a", "b", MARKER], ["x", "b", "y", MARKER], ["s0"]), ["s1=d1", "s2=d3"]);
  });

  it("finds the same bytes twice where they were written twice", () => {
    assert.deepEqual(found(["a", "a"], ["a"]), ["s0=d0"]);
    assert.deepEqual(found(["a", "a"], ["a", "a", "a"]), ["s0=d0", "s1=d1"]);
  });
});
