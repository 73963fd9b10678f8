import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A lock without a readable owner is older than this only if its owner died between two system calls. */
const ownerlessLockMs = 10_000;

/**
 * `$REPLICAST_TOOLS_CACHE`, else a per-user directory that all checkouts share, else `.cache/tools` of this checkout where the home
 * directory cannot be written.
 */
export function cacheDirectory(): string {
  const chosen = process.env.REPLICAST_TOOLS_CACHE;
  if (chosen) return made(chosen);
  try {
    return made(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "replicast-tools"));
  } catch {
    return made(fileURLToPath(new URL("../.cache/tools", import.meta.url)));
  }
}

function made(directory: string): string {
  mkdirSync(directory, { recursive: true });
  accessSync(directory, constants.W_OK);
  return directory;
}

/** Runs `work` while no other process of this machine runs work of the same name; the lock of a process that died is taken over. */
export async function withLock(name: string, work: () => Promise<void>): Promise<void> {
  const lock = join(cacheDirectory(), `.lock-${name}`);
  let announced = false;
  while (!take(lock)) {
    if (!announced) console.error(`${name}: another process is building it, waiting`);
    announced = true;
    await sleep(200);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function take(lock: string): boolean {
  try {
    mkdirSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (isAbandoned(lock)) discard(lock);
    return false;
  }
  writeFileSync(join(lock, "pid"), String(process.pid));
  return true;
}

function isAbandoned(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(join(lock, "pid"), "utf8")), 0);
    return false;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ESRCH") return true;
    return code === "ENOENT" && ageMs(lock) > ownerlessLockMs;
  }
}

function ageMs(path: string): number {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

/** Of several processes that find the same abandoned lock, the rename succeeds for one. */
function discard(lock: string): void {
  const grave = `${lock}.${process.pid}.${Date.now()}`;
  try {
    renameSync(lock, grave);
  } catch {
    return;
  }
  rmSync(grave, { recursive: true, force: true });
}
