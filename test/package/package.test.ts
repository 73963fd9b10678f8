import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
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
    "describeSafeguards",
    "describeTaskStore",
    "describeTransfer",
  ]);
});

test("dependencies are pinned, and the lock file names no place to fetch them from", () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
  assert.doesNotMatch(read("package-lock.json"), /"resolved": "http/);
});

test("README is short enough to be read", () => {
  assert.ok(read("README.md").split("\n").length <= 200);
});
