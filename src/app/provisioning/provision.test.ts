import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { loadConfig } from "../../config/load.ts";
import { withPlan } from "./provision.ts";

let cwd = "";
before(() => {
  cwd = mkdtempSync(join(tmpdir(), "replicast-provision-"));
});
after(() => rmSync(cwd, { recursive: true, force: true }));

describe("a config that names no bucket of AWS", () => {
  /** There are no credentials: whoever asked AWS would fail. */
  const cases = [
    ["present", `[{ id: r, source: "http://127.0.0.1:1/a", destinations: ["http://127.0.0.1:1/b"] }]`, 0],
    ["absent", "[]", 1],
  ] as const;

  for (const [aim, rules, told] of cases) {
    it(`asks nobody there, and says so before a person believes that all is gone (${aim})`, async () => {
      writeFileSync(join(cwd, "replicast.yaml"), `name: acme\nrules: ${rules}\n`);
      const config = loadConfig({ configPath: undefined, env: {}, cwd });
      const { notes, steps, problems } = await withPlan({ config, env: {}, aim }, async (plan) => plan);
      assert.deepEqual([steps, problems], [[], []]);
      assert.equal(notes.length, told);
      for (const note of notes)
        assert.match(note, /^no rule names a bucket of AWS: what was set up there under this name is not looked for; run destroy/);
    });
  }
});
