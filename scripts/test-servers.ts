import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The same promises on servers we did not write. They are built once into a cache that all checkouts of this user share.
const root = join(import.meta.dirname, "..");
const tools = spawnSync(process.execPath, [join(root, "scripts", "tools.ts"), "minio", "versitygw", "rclone", "python", "osls", "osls-3"], {
  cwd: root,
  stdio: "inherit",
});
if (tools.status !== 0) process.exit(tools.status ?? 1);

const env = { ...process.env, REPLICAST_SERVERS: "1", NODE_COMPILE_CACHE: join(tmpdir(), "replicast-compile-cache"), NO_COLOR: "1" };
const globs =
  process.argv.length > 2
    ? process.argv.slice(2)
    : ["test/servers/**/*.test.ts", "test/contract/**/*.servers.ts", "test/support/**/*.servers.ts"];
const args = ["--test", "--test-concurrency=1", "--test-timeout=300000", "--test-reporter=spec", ...globs];
process.exit(spawnSync(process.execPath, args, { cwd: root, env, stdio: "inherit" }).status ?? 1);
