import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The fast suite: everything that needs nothing but npm. Globs are explicit, since a bare `node --test` also runs the helpers under test/.
const GLOBS = [
  "src/**/*.test.ts",
  "test/architecture/**/*.test.ts",
  "test/contract/**/*.test.ts",
  "test/e2e/**/*.test.ts",
  "test/package/**/*.test.ts",
  "test/simulation/**/*.test.ts",
  "test/support/**/*.test.ts",
];
const root = join(import.meta.dirname, "..");
const named = process.argv.slice(2);

// Types are stripped once for all test processes and workers, not once in each.
const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "replicast-compile-cache"), NO_COLOR: "1" };
const args = ["--test", "--test-timeout=120000", "--test-concurrency=3", "--test-reporter=spec", ...(named.length > 0 ? named : GLOBS)];
const result = spawnSync(process.execPath, args, { cwd: root, env, stdio: "inherit" });
process.exit(result.status ?? 1);
