import { type Command, Option } from "commander";
import type { SyncEvent, SyncSummary } from "../app/sync-buckets.ts";
import { toRecordedError } from "../domain/error.ts";
import type { Rule } from "../domain/rule.ts";
import { tellBroken, unknown } from "./broken.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { CopyProgress } from "./copy-progress.ts";
import { interruptible } from "./interrupt.ts";
import { withLockHint } from "./lock-hint.ts";
import { EXIT, type Output } from "./output.ts";
import { oneLine } from "./printable.ts";
import { formatBytes } from "./progress.ts";
import { chooseRules, chosenCopies } from "./targets.ts";

const CONCURRENCY = 64;
const LOCKED = "leave it to that daemon, which compares by itself (schedule.sync); or stop it first";

export function define(command: Command): void {
  command
    .argument("[rule-or-source]", "a rule's id; or, with destinations, the bucket to copy from (/prefix after it narrows it)")
    .argument("[destinations...]", "buckets to copy to")
    .option("--dry-run", "find what differs, copy nothing")
    .addOption(new Option("--concurrency <n>", "replicas under way at a time").default(CONCURRENCY).argParser(toCount))
    .addHelpText(
      "after",
      examples(
        "sync photos",
        "sync http://127.0.0.1:9101/photos http://127.0.0.1:9102/photos-copy",
        "sync a:photos b:one b:two --dry-run --json",
      ),
    );
}

/** Copies what is missing or different, now, in this process. Exits 1 where anything failed. */
export async function run(invocation: Invocation): Promise<number> {
  const { args, env, options, output } = invocation;
  const chosen = args.length > 1 ? await chosenCopies(invocation) : await chooseRules(invocation, args[0]);
  return interruptible(async (signal) => {
    const { syncBuckets } = await import("../app/sync-buckets.ts");
    const dryRun = options["dryRun"] === true;
    const report = new Report(output, { configured: chosen.isConfigured, dryRun });
    try {
      const concurrency = options["concurrency"] as number;
      const onEvent = (event: SyncEvent, rule: Rule) => report.onEvent(event, rule);
      const onLeftToS3 = ({ id }: Rule) => output.info(`${id} is left to S3, which replicates it by itself`);
      const results = await withLockHint(LOCKED, () => syncBuckets({ ...chosen, env, concurrency, dryRun, onEvent, onLeftToS3, signal }));
      return await report.end(results);
    } finally {
      report.stop();
    }
  });
}

/** Shows a sync while it runs and what came of it. */
class Report {
  readonly #output: Output;
  readonly #configured: boolean;
  readonly #dryRun: boolean;
  readonly #progress: CopyProgress;

  constructor(output: Output, { configured, dryRun }: { readonly configured: boolean; readonly dryRun: boolean }) {
    this.#output = output;
    this.#configured = configured;
    this.#dryRun = dryRun;
    this.#progress = new CopyProgress(output);
  }

  onEvent(event: SyncEvent, rule: Rule): void {
    if (event.kind === "copied" || event.kind === "failed") {
      this.#progress.tell(event);
    } else if (this.#output.json) {
      const { key, destination, verdict, differs } = event;
      void this.#output.item({ kind: verdict, rule: this.#configured ? rule.id : null, destination: destination.id, key, differs });
    } else if (this.#dryRun) {
      const { key, destination, verdict } = event;
      void this.#output.line(`${verdict.padEnd(9)}  ${this.#configured ? `${rule.id}  ` : ""}${destination.id}  ${oneLine(key)}`);
    }
  }

  async end(results: readonly { readonly rule: Rule; readonly summaries: readonly SyncSummary[] }[]): Promise<number> {
    this.#progress.end();
    for (const { rule, summaries } of results) {
      for (const summary of summaries) {
        if (this.#output.json) await this.#output.item(this.#toItem(rule, summary));
        else await this.#output.line(`${this.#configured ? `${rule.id}  ` : ""}${toLine(summary, this.#dryRun)}`);
      }
    }
    const isBroken = tellBroken(this.#output, results, this.#configured);
    return isBroken || this.#progress.failures > 0 ? EXIT.failed : EXIT.done;
  }

  stop(): void {
    this.#progress.stop();
  }

  /** Under a rule that removes nothing, what only the destination has is as it should be. */
  #toItem(rule: Rule, { destination, error, extra, copied, failed, bytesCopied, ...counts }: SyncSummary): object {
    const explained = this.#configured ? { extra: 0, expected: extra } : { extra, expected: 0 };
    const found = { ...counts, ...explained, pending: 0 };
    return {
      kind: "SUMMARY",
      rule: this.#configured ? rule.id : null,
      destination: destination.id,
      ...(error === undefined ? found : unknown(found)),
      bytesRead: 0,
      copied,
      failed,
      bytesCopied,
      ...(error === undefined ? {} : { error: toRecordedError(error) }),
    };
  }
}

function toLine(summary: SyncSummary, dryRun: boolean): string {
  const { destination, error, compared, equal, missing, different, copied, failed, bytesCopied } = summary;
  const counts = `${compared} compared, ${equal} equal, ${missing} missing, ${different} different`;
  const found = error === undefined ? counts : `cannot be compared (${error.code})`;
  return `${destination.id}: ${found}${dryRun ? " (nothing copied)" : `, ${copied} copied (${formatBytes(bytesCopied)}), ${failed} failed`}`;
}

function toCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return count;
  throw usageError(`--concurrency is a whole number from 1 to 1024, not "${text}"`, `--concurrency ${CONCURRENCY}`);
}
