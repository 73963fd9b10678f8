import { readFileSync } from "node:fs";

/** Whether a process is there no more; one that has ended but was not collected yet is gone too. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch (error) {
    return ["ESRCH", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
