import type { Command } from "commander";
import type { Difference, VerifyRun, VerifySummary } from "../app/verify.ts";
import { isFirstDirection, type Rule } from "../domain/rule.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { EXIT } from "./output.ts";
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

/** Compares and changes nothing. Exits 3 where the sides differ in what no rule explains. */
export async function run(invocation: Invocation): Promise<number> {
  const minAgeMs = await toMinAge(invocation.options["minAge"] as string | undefined);
  const chosen = invocation.args.length > 1 ? await chosenBuckets(invocation) : await chooseRules(invocation, invocation.args[0]);
  return interruptible(async (signal) => {
    const { verify } = await import("../app/verify.ts");
    const { output, options, env } = invocation;
    let differences = 0;
    const onDifference = (rule: Rule, difference: Difference) => {
      // What one member of a mesh alone has, the others lack.
      if (difference.kind !== "EXTRA" || rule.mesh !== undefined) differences++;
      return output.json
        ? output.item(toItem(rule, difference, chosen.isConfigured))
        : output.line(toLine(rule, difference, chosen.isConfigured));
    };
    const settings: VerifyRun = {
      rules: chosen.rules.filter(isFirstDirection),
      buckets: chosen.buckets,
      config: chosen.config,
      env,
      attributes: options["attributes"] === true,
      checksum: options["checksum"] === true,
      minAgeMs,
      concurrency: CONCURRENCY,
      onDifference,
      signal,
    };
    let explained = 0;
    for (const { rule, summaries } of await verify(settings)) {
      for (const summary of summaries) {
        explained += summary.expected + summary.extra + summary.pending + summary.excluded;
        await (output.json
          ? output.item(summaryItem(rule, summary, chosen.isConfigured))
          : output.line(summaryLine(rule, summary, chosen.isConfigured)));
      }
    }
    return differences > 0 || (options["strict"] === true && explained > 0) ? EXIT.different : EXIT.done;
  });
}

function toItem(rule: Rule, { kind, destination, key, differs }: Difference, configured: boolean): object {
  return { kind, rule: configured ? rule.id : null, destination: destination.id, key, differs };
}

function toLine(rule: Rule, { kind, destination, key, differs }: Difference, configured: boolean): string {
  const what = differs.length === 0 ? "" : `  (${differs.join(", ")})`;
  return `${kind.padEnd(9)}  ${configured ? `${rule.id}  ` : ""}${destination.id}  ${key}${what}`;
}

function summaryItem(rule: Rule, { destination, ...counts }: VerifySummary, configured: boolean): object {
  return { kind: "SUMMARY", rule: configured ? rule.id : null, destination: destination.id, ...counts };
}

function summaryLine(rule: Rule, summary: VerifySummary, configured: boolean): string {
  const { destination, compared, equal, missing, different, extra, hidden, unproven, expected, excluded, pending } = summary;
  const parts = [`${compared} compared`, `${equal} equal`, `${missing} missing`, `${different} different`];
  const rest = { extra, hidden, unproven, "extra (expected)": expected, excluded, pending };
  for (const [name, count] of Object.entries(rest)) if (count > 0) parts.push(`${count} ${name}`);
  return `${configured ? `${rule.id}  ` : ""}${destination.id}: ${parts.join(", ")}`;
}

async function toMinAge(text: string | undefined): Promise<number> {
  if (text === undefined) return 0;
  const { parseDuration } = await import("../config/units.ts");
  const ms = parseDuration(text);
  if (ms === undefined) throw usageError(`--min-age is no duration: "${text}"`, "--min-age 1h");
  return ms;
}
