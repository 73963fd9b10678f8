import type { Command } from "commander";
import type { ExplainDocument, ExplainedDestination, ExplainedEntry, ExplainedNative, ExplainedRule } from "../control-plane/contract.ts";
import { examples, type Invocation } from "./command.ts";
import { read, splitObject } from "./operate.ts";
import { EXIT } from "./output.ts";
import { oneLine } from "./printable.ts";
import { query } from "./server.ts";

export function define(command: Command): void {
  command
    .argument("<object>", "BUCKET/KEY; the bucket may be a source or a destination")
    .addHelpText("after", examples("explain a:photos/2024/x.jpg", "explain a:photos/2024/x.jpg --json"));
}

/** Prints why an object is, or is not, where the rules say. */
export async function run(invocation: Invocation): Promise<number> {
  const [reference = ""] = invocation.args;
  const { output } = invocation;
  const path = `/api/v1/explain${query({ ...splitObject(reference) })}`;
  const document = await read(invocation, path, (inspection) => inspection.explain(reference));
  if (output.json) await output.document(document);
  else for (const line of toLines(document)) await output.line(oneLine(line));
  return EXIT.done;
}

function toLines({ bucket, key, rules, writtenBy, conflicts }: ExplainDocument): readonly string[] {
  const lines = [`${bucket}/${key}`];
  if (rules.length === 0 && writtenBy.length === 0)
    lines.push(`no rule names ${bucket}, or none with such a key: replicast validate prints the rules`);
  for (const rule of rules) lines.push(...ruleLines(rule));
  for (const writer of writtenBy) {
    lines.push(`rule ${writer.rule} writes it from ${writer.bucket}/${writer.key}`, ...indented(entryLines(writer.entry)));
  }
  for (const { id, sides } of conflicts) {
    lines.push(`conflict between ${sides.map((side) => side.bucket).join(" and ")}`, `  try: replicast conflicts show ${id}`);
  }
  return lines;
}

const VERDICTS: Readonly<Record<ExplainedRule["applies"], string>> = {
  yes: "is about it",
  no: "is not about it",
  depends: "may be about it",
};

function ruleLines({ rule, state, applies, reasons, destinations }: ExplainedRule): readonly string[] {
  const why = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
  const lines = [`rule ${rule} ${VERDICTS[applies]}${why}`];
  if (state === "PAUSED") lines.push(`  paused: its objects wait; try: replicast resume ${rule}`);
  // What was copied before the rule changed is still worth a line; of what never was there is nothing to say.
  for (const destination of destinations)
    if (applies !== "no" || destination.entry !== null) lines.push(...indented(destinationLines(destination)));
  return lines;
}

function destinationLines({ id, key, entry, gate, native }: ExplainedDestination): readonly string[] {
  const lines = [`→ ${id}, as ${key}`, ...indented(nativeLines(native)), ...indented(entryLines(entry))];
  if (gate?.state === "SHUT") lines.push(`  deletes are held since ${gate.shutAt}; try: replicast deletes list`);
  return lines;
}

const RULE_HINTS: Readonly<Record<NonNullable<ExplainedNative["ruleStatus"]>, string>> = {
  Enabled: "is enabled",
  Disabled: "is disabled; try: replicast apply",
  Missing: "is missing at the source; try: replicast apply",
};

/** What S3 itself says; nothing of rules that replicast serves. */
function nativeLines(native: ExplainedDestination["native"]): readonly string[] {
  if (native === undefined) return [];
  if (native === null) return ["replicated by S3 itself, which could not be asked"];
  const { ruleId, ruleStatus, replicationStatus, replicaStatus } = native;
  const state = ruleStatus === null ? "may not be looked at (s3:GetReplicationConfiguration)" : RULE_HINTS[ruleStatus];
  const lines = [`S3's rule ${ruleId} ${state}`, `x-amz-replication-status: ${replicationStatus ?? "none"}`];
  return replicaStatus === null ? lines : [...lines, `at the destination: ${replicaStatus}`];
}

function entryLines(entry: ExplainedEntry | null): readonly string[] {
  if (entry === null) return ["nothing is known of it: no event has told of it, and no listing has shown it yet"];
  const { status, reason, operation, attempts, notes } = entry;
  const lines = [[status, operation, reason, `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`].filter(Boolean).join("  ")];
  if (entry.origin !== null) lines.push(`written by a client at ${entry.origin}`);
  if (entry.finishedAt !== null) lines.push(`finished ${entry.finishedAt}`);
  if (entry.firstFailedAt !== null) lines.push(`failing since ${entry.firstFailedAt}`);
  if (entry.nextAttemptAt !== null) lines.push(`next try ${entry.nextAttemptAt}`);
  if (entry.bytes !== null) lines.push(`replica of ${entry.bytes} bytes, etag ${entry.destinationEtag}, proof ${entry.proof ?? "none"}`);
  if (notes.length > 0) lines.push(`notes: ${notes.join(", ")}`);
  if (entry.error !== null) lines.push(`error: ${entry.error.code}: ${entry.error.message}`);
  if (entry.error?.hint) lines.push(`try: ${entry.error.hint}`);
  return lines;
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}
