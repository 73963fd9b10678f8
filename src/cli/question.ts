import { createInterface } from "node:readline/promises";
import type { Invocation } from "./command.ts";

/** Whether there is a person to ask: not with `--yes` or `--json`, nor where stdin or stderr is no terminal. */
export function canAsk({ output, global, stdin }: Invocation): boolean {
  return stdin.isTTY === true && output.drawsStatus && !global.yes && !output.json;
}

/** Asks on stderr. Resolves with true where the answer is y or yes, and with false for any other, for no answer, and once the signal aborts. */
export async function agrees({ output, stdin }: Invocation, question: string, signal: AbortSignal): Promise<boolean> {
  output.info(`${question} [y/N]`);
  const lines = createInterface({ input: stdin, signal });
  try {
    for await (const line of lines) return /^\s*y(es)?\s*$/i.test(line);
    return false;
  } finally {
    lines.close();
  }
}
