import type { Command } from "commander";
import type { Difference, VerifyRun, VerifySummary } from "../app/verify.ts";
import { toRecordedError } from "../domain/error.ts";
import { isFirstDirection, type Rule } from "../domain/rule.ts";
import { tellBroken, unknown } from "./broken.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { EXIT, type Output } from "./output.ts";
import { oneLine } from "./printable.ts";
import { Progress } from "./progress.ts";
import { chooseRules, chosenBuckets } from "./targets.ts";

const CONCURRENCY = 32;

export function define(command: Command): void {
  command
    .argument("[rule-or-source]", "a rule's id; or, with destinations, the bucket to compare with")
    .argument("[destinations...]", "buckets to compare")
    .option("--attributes", "compare headers, metadata, tags, ACL and lock too: two to six requests an object")
    .option("--checksum", "read and hash both sides")
    .option("--min-age <duration>", "leave out objects written more recently, such as 1h")
    .option("--strict", "let what the rule explains (extra objects, pending tasks) count as differences")
    .addHelpText(
      "after",
      examples("verify", "verify photos --attributes --json", "verify http://127.0.0.1:9101/photos http://127.0.0.1:9102/photos-copy"),
    );
}

/** Compares and changes nothing. Exits 1 where a bucket could not be compared, else 3 where the sides differ in what no rule explains. */
export async function run(invocation: Invocation): Promise<number> {
  const { output, options, env } = invocation;
  const minAgeMs = await toMinAge(options["minAge"] as string | undefined);
  const chosen = invocation.args.length > 1 ? await chosenBuckets(invocation) : await chooseRules(invocation, invocation.args[0]);
  return interruptible(async (signal) => {
    const { verify } = await import("../app/verify.ts");
    const checksum = options["checksum"] === true;
    const report = new Report(output, { configured: chosen.isConfigured, checksum });
    const settings: VerifyRun = {
      rules: chosen.rules.filter(isFirstDirection),
      buckets: chosen.buckets,
      config: chosen.config,
      env,
      attributes: options["attributes"] === true,
      checksum,
      minAgeMs,
      concurrency: CONCURRENCY,
      onDifference: report.onDifference,
      onCompared: report.onCompared,
      onRead: report.onRead,
      signal,
    };
    try {
      return await report.end(await verify(settings), options["strict"] === true);
    } finally {
      report.stop();
    }
  });
}

/** Shows a comparison while it runs and what came of it. */
class Report {
  readonly #output: Output;
  readonly #configured: boolean;
  readonly #progress: Progress;
  #differences = 0;
  #done = 0;
  /** Undefined where none are read. */
  #bytes: number | undefined;

  constructor(output: Output, { configured, checksum }: { readonly configured: boolean; readonly checksum: boolean }) {
    this.#output = output;
    this.#configured = configured;
    this.#progress = new Progress({ output, noun: "objects compared" });
    this.#bytes = checksum ? 0 : undefined;
  }

  readonly onDifference = (rule: Rule, difference: Difference): Promise<void> => {
    // What one member of a mesh alone has, the others lack.
    if (difference.kind !== "EXTRA" || rule.mesh !== undefined) this.#differences++;
    this.#output.status(""); // a line of a result may be on the same terminal
    return this.#output.json
      ? this.#output.item(toItem(rule, difference, this.#configured))
      : this.#output.line(toLine(rule, difference, this.#configured));
  };

  readonly onCompared = (): void => {
    this.#done++;
    this.#progress.update({ done: this.#done, bytes: this.#bytes });
  };

  readonly onRead = (bytes: number): void => {
    this.#bytes = (this.#bytes ?? 0) + bytes;
    this.#progress.update({ done: this.#done, bytes: this.#bytes });
  };

  async end(results: Results, strict: boolean): Promise<number> {
    this.stop();
    for (const { rule, summaries } of results) {
      for (const summary of summaries) {
        await (this.#output.json
          ? this.#output.item(summaryItem(rule, summary, this.#configured))
          : this.#output.line(summaryLine(rule, summary, this.#configured)));
      }
    }
    if (tellBroken(this.#output, results, this.#configured)) return EXIT.failed;
    return this.#differences > 0 || (strict && isExplained(results)) ? EXIT.different : EXIT.done;
  }

  stop(): void {
    this.#progress.stop();
  }
}

type Results = readonly { readonly rule: Rule; readonly summaries: readonly VerifySummary[] }[];

/** Whether anything differs that the rules explain. */
function isExplained(results: Results): boolean {
  return results.some(({ summaries }) =>
    summaries.some(({ expected, extra, pending, excluded }) => expected + extra + pending + excluded > 0),
  );
}

function toItem(rule: Rule, { kind, destination, key, differs }: Difference, configured: boolean): object {
  return { kind, rule: configured ? rule.id : null, destination: destination.id, key, differs };
}

function toLine(rule: Rule, { kind, destination, key, differs }: Difference, configured: boolean): string {
  const what = differs.length === 0 ? "" : `  (${differs.join(", ")})`;
  return `${kind.padEnd(9)}  ${configured ? `${rule.id}  ` : ""}${destination.id}  ${oneLine(key)}${what}`;
}

function summaryItem(rule: Rule, { destination, error, bytesRead, ...counts }: VerifySummary, configured: boolean): object {
  const names = { kind: "SUMMARY", rule: configured ? rule.id : null, destination: destination.id };
  if (error === undefined) return { ...names, ...counts, bytesRead };
  return { ...names, ...unknown(counts), bytesRead, error: toRecordedError(error) };
}

function summaryLine(rule: Rule, summary: VerifySummary, configured: boolean): string {
  const { destination, error, compared, equal, missing, different, extra, hidden, unproven, expected, excluded, pending } = summary;
  const parts = [`${compared} compared`, `${equal} equal`, `${missing} missing`, `${different} different`];
  const rest = { extra, hidden, unproven, "extra (expected)": expected, excluded, pending };
  for (const [name, count] of Object.entries(rest)) if (count > 0) parts.push(`${count} ${name}`);
  const found = error === undefined ? parts.join(", ") : `cannot be compared (${error.code})`;
  return `${configured ? `${rule.id}  ` : ""}${destination.id}: ${found}`;
}

async function toMinAge(text: string | undefined): Promise<number> {
  if (text === undefined) return 0;
  const { parseDuration } = await import("../config/units.ts");
  const ms = parseDuration(text);
  if (ms === undefined) throw usageError(`--min-age is no duration: "${text}"`, "--min-age 1h");
  return ms;
}
