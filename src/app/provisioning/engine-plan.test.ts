import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadConfig } from "../../config/load.ts";
import type { ResolvedConfig } from "../../config/resolved-config.ts";
import type { Engine } from "../../domain/rule.ts";
import { type EnginePlan, planEngines } from "./engine-plan.ts";

function configOf(engine: string): ResolvedConfig {
  const directory = mkdtempSync(join(tmpdir(), "replicast-engine-"));
  try {
    writeFileSync(join(directory, "replicast.yaml"), JSON.stringify({ rules: [{ id: "r", engine, source: "a", destinations: ["b"] }] }));
    return loadConfig({ cwd: directory, env: {} });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Case {
  readonly engine: "auto" | Engine;
  readonly stored?: Engine;
  readonly served?: boolean;
  readonly versioned?: boolean;
  readonly busy?: boolean;
  readonly allowsChange?: boolean;
}

function plan({ engine, stored, served = false, versioned = true, busy = false, allowsChange = false }: Case): EnginePlan {
  const config = configOf(engine);
  const [rule] = config.rules;
  const ids = [rule?.source.id ?? "", rule?.destinations[0]?.bucket.id ?? ""];
  return planEngines({
    config,
    stored: {
      engines: new Map(stored === undefined ? [] : [["r", stored]]),
      busy: new Set(busy ? ["r"] : []),
      isThere: stored !== undefined,
    },
    evidence: { served: new Set(served ? ["r"] : []), versioned: new Map(ids.map((id) => [id, versioned])) },
    allowsChange,
    save: async () => {},
  });
}

function told(asked: Case): readonly string[] {
  const { steps, problems } = plan(asked);
  return [
    ...steps.flatMap(({ changes }) => changes.map(({ action, detail }) => `${action} ${detail["engine"]}`)),
    ...problems.map(({ code }) => code),
  ];
}

describe("planEngines", () => {
  const table: readonly (readonly [why: string, asked: Case, expected: readonly string[]])[] = [
    ["an auto rule between versioned buckets is S3's", { engine: "auto" }, ["create native"]],
    ["an auto rule between others is copied", { engine: "auto", versioned: false }, ["create copy"]],
    ["what was decided stays", { engine: "auto", stored: "native", versioned: false }, []],
    ["what S3 does already needs no state to be known", { engine: "auto", served: true, versioned: false }, []],
    ["an auto rule that began with copy stays with it", { engine: "auto", stored: "copy" }, []],
    ["it changes where that is allowed", { engine: "auto", stored: "copy", allowsChange: true }, ["update native"]],
    ["a change that the config makes is refused", { engine: "native", stored: "copy" }, ["update native", "EngineChange"]],
    ["from S3 to copy too", { engine: "copy", stored: "native" }, ["update copy", "EngineChange"]],
    ["also where only AWS knows of it", { engine: "copy", served: true }, ["update copy", "EngineChange"]],
    ["copy finishes first", { engine: "native", stored: "copy", busy: true, allowsChange: true }, ["update native", "TasksPending"]],
    ["what waits keeps nobody from copying", { engine: "copy", stored: "native", busy: true, allowsChange: true }, ["update copy"]],
    ["a rule that says what it is needs no state", { engine: "native" }, []],
    ["a rule that says copy neither", { engine: "copy" }, []],
  ];
  for (const [why, asked, expected] of table) it(why, () => assert.deepEqual(told(asked), expected));

  it("keeps quietly what AWS tells and the state does not know", () => {
    assert.deepEqual([...plan({ engine: "auto", served: true }).unsaved], [["r", "native"]]);
  });
});
