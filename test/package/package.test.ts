import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..", "..");
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

test("every entry of the package is built from a source file that is there", () => {
  for (const entry of Object.values(manifest.exports)) {
    if (typeof entry === "string") continue;
    const source = entry.default.replace("./dist/", "src/").replace(/\.js$/, ".ts");
    assert.ok(existsSync(join(ROOT, source)), `${entry.default} has no ${source}`);
  }
});

test("the library exports what it promises and nothing else", async () => {
  assert.deepEqual(Object.keys(await import("../../src/index.ts")).sort(), [
    "ReplicationError",
    "createReplicast",
    "isReplicationError",
    "isReplicationEvent",
  ]);
  assert.deepEqual(Object.keys(await import("../../src/testing/index.ts")).sort(), [
    "describeFidelity",
    "describeHoldings",
    "describeJournal",
    "describeLedger",
    "describeObjectStore",
    "describeResumption",
    "describeSafeguards",
    "describeTaskStore",
    "describeTransfer",
    "describeUploads",
  ]);
});

test("the Serverless plugin is a class, by import and by require", async () => {
  const imported: { readonly default: unknown } = await import("../../src/serverless/index.ts");
  assert.equal(typeof imported.default, "function");
  assert.equal(createRequire(import.meta.url)("../../src/serverless/index.ts"), imported.default);
});

test("the Serverless plugin loads nothing that an older Node lacks, as the framework's process may be one", () => {
  const loaded = modulesBehind(["src/serverless/index.ts", "src/app/provisioning/provision.ts", "src/app/provisioning/hand-overs.ts"]);
  assert.deepEqual([...loaded].filter((name) => !name.startsWith("node:")).sort(), ["zod"]);
  assert.ok(!loaded.has("node:sqlite"));
});

/** Packages and built-in modules that are loaded with a source file, at once and not only when something is done. */
function modulesBehind(files: readonly string[]): ReadonlySet<string> {
  const modules = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, specifier = ""] of read(file).matchAll(/(?:^|\n)(?:import|export)\s(?!type\b)[^;'"]*?from\s+"([^"]+)"/g)) {
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier));
      else modules.add(specifier);
    }
  };
  for (const file of files) visit(file);
  return modules;
}

test("dependencies are pinned, and the lock file names no place to fetch them from", () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
  assert.doesNotMatch(read("package-lock.json"), /"resolved": "http/);
});

test("README is short enough to be read", () => {
  assert.ok(read("README.md").split("\n").length <= 200);
});
