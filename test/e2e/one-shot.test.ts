import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const CLI = join(import.meta.dirname, "..", "..", "bin", "replicast.js");
/** Nothing listens on port 1. */
const NOWHERE = ["http://127.0.0.1:1/one", "http://127.0.0.1:1/two"] as const;

function run(...args: readonly string[]) {
  const env = { ...process.env, AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "a-secret-that-is-not-shown" };
  return spawnSync(process.execPath, [CLI, ...args], { env, encoding: "utf8", timeout: 60_000 });
}

for (const command of ["verify", "sync"]) {
  test(`${command} of stores that cannot be reached fails and says so`, () => {
    const { status, stderr } = run(command, ...NOWHERE);
    assert.equal(status, 1);
    assert.match(stderr, /^error: .*127\.0\.0\.1:1.*\ntry: /m);
    assert.doesNotMatch(stderr, /a-secret|\n {4}at /);
  });
}

test("a destination that is named twice, however it is spelled, is refused: each object would be copied twice", () => {
  for (const command of ["sync", "verify"]) {
    const { status, stderr } = run(command, NOWHERE[0], NOWHERE[1], "http://127.0.0.1:1/two/");
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^error: http:\/\/127\.0\.0\.1:1\/two is a destination twice\ntry: /);
  }
});

test("sync refuses to copy a bucket into itself, where each copy would be copied again (invariant 5)", () => {
  for (const [source, destination] of [
    ["http://127.0.0.1:1/one", "http://localhost:1/one"],
    ["http://127.0.0.1:1/one", "http://127.0.0.1:1/one/copy/"],
    ["http://127.0.0.1:1/one/deep", "http://127.0.0.1:1/one/deep/copy/"],
  ] as const) {
    const { status, stderr } = run("sync", source, destination);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /source and destination at once/);
  }
});
