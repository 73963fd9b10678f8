import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { loadConfig } from "../config/load.ts";
import type { ResolvedConfig } from "../config/resolved-config.ts";
import type { LogFields } from "../ports/logger.ts";
import type { Journal } from "../ports/state.ts";
import { MemoryState } from "../testing/memory-state.ts";
import { readEngines, type SplitRules, settleEngines, splitRules, storedEngines } from "./engines.ts";
import { openState } from "./state.ts";
import { systemClock } from "./system-clock.ts";

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "replicast-stored-engines-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

let journal: Journal;
let told: (LogFields & { readonly message: string })[] = [];
beforeEach(() => {
  journal = new MemoryState({ clock: systemClock }).journal;
  told = [];
});

const note = (message: string, fields: LogFields = {}) => void told.push({ ...fields, message });
const LOGGER = { info: note, warn: note };

function load(...rules: readonly string[]): ResolvedConfig {
  const list = rules.map((rule) => `  - { ${rule} }\n`).join("");
  writeFileSync(join(directory, "replicast.yaml"), `stores: { m: { endpoint: "http://127.0.0.1:1" } }\nrules:\n${list}`);
  return loadConfig({ env: {}, cwd: directory });
}

function ids({ copyRules, nativeRules }: SplitRules) {
  return { copy: copyRules.map(({ id }) => id), native: nativeRules.map(({ id }) => id) };
}

const AUTO = "id: auto, source: x, destinations: [y]";
const NATIVE = "id: native, source: p, destinations: [q], engine: native";
const COPY = "id: copy, source: m:x, destinations: [m:y]";

describe("settleEngines", () => {
  it("begins an auto rule that nobody decided with copy, durably, and says so once", async () => {
    const config = load(AUTO, NATIVE, COPY);
    assert.deepEqual(ids(await settleEngines(config, journal, LOGGER)), { copy: ["auto", "copy"], native: ["native"] });
    assert.deepEqual(await Promise.all(["auto", "native", "copy"].map((id) => journal.engine(id))), ["copy", undefined, "copy"]);
    assert.deepEqual(
      told.map(({ rule, message }) => `${rule}: ${message}`),
      ["auto: the rule is served by copy from now on", "copy: the rule is served by copy from now on"],
    );
    told = [];
    await settleEngines(config, journal, LOGGER);
    assert.deepEqual(told, []);
  });

  it("leaves to S3 what apply decided, also a rule that was added beside it", async () => {
    await journal.saveEngine("auto", "native");
    const split = await settleEngines(load(AUTO, "id: more, source: y, destinations: [z]"), journal, LOGGER);
    assert.deepEqual(ids(split), { copy: [], native: ["auto", "more"] });
    assert.equal(await journal.engine("more"), undefined);
  });

  it("changes nothing that is stored, and warns where the rule says something else", async () => {
    await journal.saveEngine("native", "copy");
    const split = await settleEngines(load(NATIVE), journal, LOGGER);
    assert.deepEqual(ids(split), { copy: ["native"], native: [] });
    assert.equal(await journal.engine("native"), "copy");
    assert.deepEqual(
      told.map(({ message, engine }) => [message, engine]),
      [["the rule is served as before", "copy"]],
    );
  });

  it("shows the copy engine a config of its own rules alone", async () => {
    const { copied, engineOf } = await settleEngines(load(AUTO, NATIVE), journal, LOGGER);
    assert.deepEqual(
      copied.rules.map(({ id }) => id),
      ["auto"],
    );
    assert.deepEqual([engineOf("native"), engineOf("auto"), engineOf("gone")], ["native", "copy", "copy"]);
  });
});

describe("storedEngines", () => {
  it("takes a rule that was synced before decisions were written down for one of copy", async () => {
    await journal.saveSyncProgress("auto", { startedAt: 1, after: null, finishedAt: 2 });
    await journal.saveSyncProgress("native", { startedAt: 1, after: null, finishedAt: 2 });
    assert.deepEqual([...(await storedEngines(load(AUTO, NATIVE), journal))], [["auto", "copy"]]);
  });

  it("knows a rule by its former name", async () => {
    await journal.saveEngine("old", "native");
    const config = load(`${AUTO}, renamedFrom: old`);
    assert.deepEqual(ids(splitRules(config, await storedEngines(config, journal))), { copy: [], native: ["auto"] });
  });
});

describe("readEngines", () => {
  it("makes no state where there is none, and reads the one that is there", async () => {
    const config = load(AUTO);
    assert.deepEqual([...(await readEngines(config))], []);
    assert.equal(existsSync(config.state.path), false);
    const state = await openState(config, "daemon");
    await state.journal.saveEngine("auto", "native");
    await state.close();
    assert.deepEqual([...(await readEngines(config))], [["auto", "native"]]);
  });

  it("lets what was decided go over to a rule's new name when the state is opened to work on", async () => {
    const config = load("id: new, source: x, destinations: [y], renamedFrom: auto");
    const state = await openState(config, "daemon");
    assert.deepEqual([await state.journal.engine("auto"), await state.journal.engine("new")], [undefined, "native"]);
    await state.close();
  });
});
