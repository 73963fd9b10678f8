import type { Command } from "commander";
import type { BatchJobStatus, DestinationStatus, ObjectDocument, ObjectEntry, StatusDocument } from "../control-plane/contract.ts";
import { examples, type Invocation } from "./command.ts";
import { read, splitObject } from "./operate.ts";
import { EXIT, type Output } from "./output.ts";
import { oneLine } from "./printable.ts";
import { formatBytes } from "./progress.ts";
import { query } from "./server.ts";

export function define(command: Command): void {
  command
    .argument("[rule-or-object]", "a rule's id, or BUCKET/KEY for one object")
    .addHelpText("after", examples("status", "status photos --json", "status a:photos/2024/x.jpg"));
}

/** Prints lag, backlog and failures per rule and destination, or one object's row per destination. */
export async function run(invocation: Invocation): Promise<number> {
  const [what] = invocation.args;
  const { output } = invocation;
  if (what?.includes("/")) await printObject(output, await readObject(invocation, what));
  else await printStatus(output, await readStatus(invocation, what));
  return EXIT.done;
}

function readStatus(invocation: Invocation, rule: string | undefined): Promise<StatusDocument> {
  return read(invocation, `/api/v1/status${query({ rule })}`, (inspection) => inspection.status(rule));
}

function readObject(invocation: Invocation, reference: string): Promise<ObjectDocument> {
  const path = `/api/v1/objects${query({ ...splitObject(reference) })}`;
  return read(invocation, path, (inspection) => inspection.object(reference));
}

async function printStatus(output: Output, status: StatusDocument): Promise<void> {
  if (output.json) return output.document(status);
  if (status.ledger !== "TRUSTED") output.warn(`the ledger is ${status.ledger}: deletes are held until replicast rebuild-ledger is done`);
  for (const rule of status.rules) {
    await output.line(`${rule.id}  ${rule.state}  ${rule.engine}  last compared ${rule.lastSyncAt ?? "never"}`);
    if (rule.batchJob) await output.line(`  ${jobLine(rule.batchJob)}`);
    for (const destination of rule.destinations) await output.line(`  ${destinationLine(destination)}`);
  }
  for (const intake of status.intake) {
    const last = intake.lastMalformed === null ? "" : ` (last: ${intake.lastMalformed.reason})`;
    await output.line(
      `events of ${intake.store}: ${intake.received} received, ${intake.ignored} ignored, ${intake.malformed} malformed${last}`,
    );
  }
}

function destinationLine(destination: DestinationStatus): string {
  const {
    operationsPending,
    bytesPending,
    operationsCompleted,
    bytesCompleted,
    operationsFailed,
    operationsHeld,
    replicationLatencyMs: lag,
  } = destination;
  const parts = [
    destination.id,
    `${operationsCompleted ?? "?"} completed${bytesPart(bytesCompleted)}`,
    `${operationsPending ?? "?"} pending${bytesPart(bytesPending)}`,
    `${operationsFailed ?? "?"} failed`,
  ];
  if (operationsHeld !== null && operationsHeld > 0) parts.push(`${operationsHeld} held`);
  if (lag !== null) parts.push(lag.p50 === null ? `latency up to ${lag.max} ms` : `latency p50 ${lag.p50} ms, p99 ${lag.p99} ms`);
  if (destination.oldestPendingAt !== null) parts.push(`oldest pending since ${destination.oldestPendingAt}`);
  for (const { source, id, status } of destination.s3Rules ?? [])
    if (status !== "Enabled") parts.push(`S3's rule ${id} at ${source}: ${status ?? "not to be seen"}`);
  return parts.join("  ");
}

function bytesPart(bytes: number | null): string {
  return bytes === null ? "" : ` (${formatBytes(bytes)})`;
}

function jobLine({ id, status, total, succeeded, failed }: BatchJobStatus): string {
  return `batch job ${id}  ${status}  ${succeeded ?? "?"} of ${total ?? "?"} replicated, ${failed ?? "?"} failed`;
}

async function printObject(output: Output, object: ObjectDocument): Promise<void> {
  if (output.json) return output.document(object);
  if (object.entries.length === 0) await output.line(`nothing is known of ${object.bucket}/${oneLine(object.key)}`);
  for (const entry of object.entries) await output.line(entryLine(entry));
}

/** One row of the ledger in one line, and what to do about it in a second. */
export function entryLine(entry: ObjectEntry): string {
  const parts = [entry.rule, entry.destination, entry.status];
  if (entry.reason !== null) parts.push(entry.reason);
  if (entry.bytes !== null) parts.push(formatBytes(entry.bytes), `proof: ${entry.proof}`);
  if (entry.notes.length > 0) parts.push(`notes: ${entry.notes.join(", ")}`);
  if (entry.nextAttemptAt !== null) parts.push(`attempt ${entry.attempts}, next ${entry.nextAttemptAt}`);
  const error =
    entry.error === null ? "" : `\n    ${entry.error.message}${entry.error.hint === null ? "" : `\n    try: ${entry.error.hint}`}`;
  return parts.join("  ") + error;
}
