import type { Command } from "commander";
import { examples, type Invocation } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { withLockHint } from "./lock-hint.ts";
import { EXIT } from "./output.ts";
import { Progress } from "./progress.ts";

export function define(command: Command): void {
  command.addHelpText(
    "after",
    `\nFor a ledger that was lost, or put back from an old copy; stop the daemon first. Nothing is deleted by it.\n${examples("rebuild-ledger", "rebuild-ledger --json")}`,
  );
}

/** Puts the ledger together again from the buckets. Exits 1 where an object failed; what is held is a person's to decide. */
export async function run({ output, global, env, cwd }: Invocation): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const config = loadConfig({ configPath: global.config, env, cwd });
  return interruptible(async (signal) => {
    const { rebuildLedger } = await import("../app/rebuild-ledger.ts");
    const progress = new Progress({ output });
    let done = 0;
    const logger = { warn: (message: string) => output.warn(message), error: (message: string) => output.warn(message) };
    try {
      const onOutcome = () => progress.update({ done: ++done, bytes: 0 });
      const report = await withLockHint("stop that daemon first", () => rebuildLedger({ config, env, signal, logger, onOutcome }));
      progress.stop();
      if (output.json) await output.document(report);
      for (const { rule, compared, adopted, copied, held, failed } of output.json ? [] : report.rules)
        await output.line(`${rule}: ${compared} compared, ${adopted} adopted, ${copied} copied, ${held} held, ${failed} failed`);
      if (report.finished) output.info("the ledger is trusted again: deletes are replicated as the rules say");
      return !report.finished || report.rules.some(({ failed }) => failed > 0) ? EXIT.failed : EXIT.done;
    } finally {
      progress.stop();
    }
  });
}
