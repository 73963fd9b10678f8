import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HandOver } from "../../provisioning/change.ts";

/** Name of the file in which a policy is handed to another account's admin. */
export function handOverFile({ account, kind, subject }: HandOver): string {
  const name = subject.slice(subject.lastIndexOf("/") + 1);
  return `replicast-${account}-${name}-${kind}.json`;
}

/** Writes the policies that others have to set, each to a file of its own. */
export async function writeHandOvers(directory: string, handOvers: readonly HandOver[]): Promise<void> {
  for (const handOver of handOvers)
    await writeFile(join(directory, handOverFile(handOver)), `${JSON.stringify(handOver.document, null, 2)}\n`);
}
