import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

// The fast suite: everything that needs nothing but npm. The folders with the longest files come first, so that none of them is left over at
// the end; globs are explicit, since test/ holds helpers and tests of real servers too.
const GLOBS = [
  "test/simulation/**/*.test.ts",
  "test/e2e/**/*.test.ts",
  "test/contract/**/*.test.ts",
  "src/**/*.test.ts",
  "test/architecture/**/*.test.ts",
  "test/package/**/*.test.ts",
  "test/support/**/*.test.ts",
];
/** More than a small machine has cores: many tests wait. */
const AT_ONCE = 3;

const root = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const named = args.filter((arg) => !arg.startsWith("-"));
/** For the test processes, such as `--test-name-pattern=…`. */
const options = args.filter((arg) => arg.startsWith("-"));
const files = (named.length > 0 ? named : GLOBS).flatMap((glob) => globSync(glob, { cwd: root }).sort());
if (files.length === 0) throw new Error(`no test matches ${named.join(" ")}`);

// Types are stripped once for all test processes and workers, not once in each.
process.env["NODE_COMPILE_CACHE"] = join(tmpdir(), "replicast-compile-cache");
process.env["NO_COLOR"] = "1";
const results = run({
  files: files.map((file) => join(root, file)),
  cwd: root,
  concurrency: AT_ONCE,
  execArgv: ["--test-timeout=120000", ...options],
});
results.on("test:fail", ({ todo }) => {
  if (todo === undefined) process.exitCode = 1;
});
results.compose(spec).pipe(process.stdout);
