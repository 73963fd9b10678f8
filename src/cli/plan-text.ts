import { handOverFile } from "../app/provisioning/hand-overs.ts";
import type { CopiedPair, ProvisionedChange, ProvisionPlan } from "../app/provisioning/provision.ts";
import { ReplicationError, toRecordedError, toReplicationError } from "../domain/error.ts";
import { copyDocument } from "./copy-report.ts";
import type { Output } from "./output.ts";

const SIGNS = { create: "+", update: "~", delete: "-" } as const;

/** In the order in which they are made. */
const GROUPS: readonly (readonly [title: string, types: readonly ProvisionedChange["type"][]])[] = [
  ["buckets", ["bucket", "versioning"]],
  ["roles and policies", ["role", "policy", "key-policy"]],
  ["replication rules", ["replication-rule"]],
  ["queues", ["queue"]],
  ["notifications", ["notification"]],
  ["engines", ["engine"]],
  ["existing objects", ["backfill"]],
];

export interface PlanPrint {
  readonly changes: readonly ProvisionedChange[];
  /** Problems do not fail the command. @defaultValue false */
  readonly isAllowed?: boolean;
  /** What became of existing objects that replicast copies, where that is over. */
  readonly copied?: readonly CopiedPair[] | undefined;
}

/** Prints changes grouped by what they are about, one a line, then what else a person should know. */
export async function printPlan(
  output: Output,
  plan: ProvisionPlan,
  { changes, isAllowed = false, copied = [] }: PlanPrint,
): Promise<void> {
  if (output.json)
    return output.document({ ...planDocument(plan, changes), ...(copied.length === 0 ? {} : { backfill: copyDocument(copied) }) });
  await printParts(output, plan, changes);
  for (const { subject, message, hint } of plan.problems) {
    const text = `${subject}: ${message}`;
    if (!isAllowed) output.error(new ReplicationError("InvalidRequest", text, { hint }));
    else {
      output.warn(text);
      output.info(`try: ${hint}`);
    }
  }
}

export interface Failure {
  /** What was being carried out; undefined where it did not come to that. */
  readonly plan: ProvisionPlan | undefined;
  /** In the order in which they were made. */
  readonly made: readonly ProvisionedChange[];
  readonly error: unknown;
}

/** Prints what was made before an error, which is left to the caller; with `--json` one document with both. */
export async function printFailure(output: Output, { plan = NO_PLAN, made, error }: Failure): Promise<void> {
  if (output.json) return output.document({ ...planDocument(plan, made), error: toRecordedError(toReplicationError(error)) });
  await printParts(output, plan, made);
}

const NO_PLAN: ProvisionPlan = { steps: [], problems: [], notes: [], handOvers: [] };

function planDocument(plan: ProvisionPlan, changes: readonly ProvisionedChange[]) {
  const { problems, notes, existing = [] } = plan;
  return { changes, problems, notes, handOvers: filesOf(plan), existingObjects: existing };
}

function filesOf({ handOvers }: ProvisionPlan) {
  return handOvers.map((handOver) => ({ ...handOver, file: handOverFile(handOver) }));
}

async function printParts(output: Output, plan: ProvisionPlan, changes: readonly ProvisionedChange[]): Promise<void> {
  for (const line of changeLines(changes)) await output.line(line);
  for (const note of plan.notes) output.info(`note: ${note}`);
  for (const { account, file, subject } of filesOf(plan)) output.info(`note: ${file} is for account ${account}, which has ${subject}`);
}

export function changeLines(changes: readonly ProvisionedChange[]): readonly string[] {
  return GROUPS.flatMap(([title, types]) => {
    const group = changes.filter(({ type }) => types.includes(type));
    return group.length === 0 ? [] : [title, ...group.map((change) => `  ${SIGNS[change.action]} ${changeText(change)}`)];
  });
}

function changeText({ type, id, detail }: ProvisionedChange): string {
  const about = ABOUT[type]?.(detail) ?? "";
  return about === "" ? id : `${id}  ${about}`;
}

type About = (detail: ProvisionedChange["detail"]) => string;

const ABOUT: Partial<Record<ProvisionedChange["type"], About>> = {
  bucket: ({ region }) => `made in ${region}`,
  versioning: ({ status }) => `versioning ${status}, which cannot be undone`,
  role: ({ source, tags, trust }) =>
    source === undefined ? `${tags === undefined ? "" : "tags"}${trust === undefined ? "" : "trust"}` : `of ${source}`,
  "replication-rule": ({ destination, status, role }) =>
    destination === undefined ? `role ${role}` : `→ ${destination}${status === "Disabled" ? " (disabled)" : ""}`,
  policy: ({ allows, sources }) => (Array.isArray(sources) ? `lets ${allows} send events of ${sources.join(", ")}` : ""),
  queue: ({ region, source }) => `in ${region}, of ${source}`,
  notification: ({ queueArn, queue, events }) => `→ ${queueArn ?? queue} (${Array.isArray(events) ? events.join(", ") : ""})`,
  backfill: ({ objects, isWhole, cost, destinations }) =>
    `→ ${Array.isArray(destinations) ? destinations.join(", ") : ""}: ${numberText(objects, isWhole)} objects, about ${isWhole === true ? "" : "at least "}$${typeof cost === "number" ? cost.toFixed(2) : "?"}`,
  engine: ({ engine, before, why }) => `${before === undefined ? "" : `${before} → `}${engine}: ${why}`,
};

function numberText(count: unknown, isWhole: unknown): string {
  if (typeof count !== "number") return "nobody may count how many";
  return `${isWhole === true ? "" : "at least "}${count.toLocaleString("en-US")}`;
}
