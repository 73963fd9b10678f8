import type { ProvisionedChange, ProvisionPlan } from "../app/provisioning/provision.ts";

const SIGNS = { create: "+", update: "~", delete: "-" } as const;

/** One change in one line. */
export function changeLine({ action, type, id, detail }: ProvisionedChange): string {
  const { destination } = detail;
  return `${SIGNS[action]} ${type} ${id}${typeof destination === "string" ? ` → ${bucketOf(destination)}` : ""}`;
}

/** All that stands in the way, each with what to do. */
export function problemLines(problems: ProvisionPlan["problems"]): readonly string[] {
  return problems.flatMap(({ subject, message, hint }) => [`${subject}: ${message}`, `  try: ${hint}`]);
}

/**
 * The rules that S3 has, one a line, with how each stands to what the config wants: what is to be made is not there yet, and whatever would go
 * if nothing were wanted is there.
 */
export function ruleLines(wanted: ProvisionPlan, unwanted: ProvisionPlan): readonly string[] {
  const changing = new Map(rulesIn(wanted).map((change) => [change.id, change]));
  const there = rulesIn(unwanted).filter(({ action }) => action === "delete");
  const standing = new Set(there.map(({ id }) => id));
  const missing = [...changing.values()].filter(({ id, action }) => action === "create" && !standing.has(id));
  return [
    ...there.map((change) => ruleLine(change, stateOf(change, changing.get(change.id)))),
    ...missing.map((change) => ruleLine(change, "not applied")),
  ];
}

function rulesIn({ steps }: ProvisionPlan): readonly ProvisionedChange[] {
  return steps
    .flatMap(({ changes }) => changes)
    .filter(({ type, detail }) => type === "replication-rule" && typeof detail["destination"] === "string");
}

function stateOf({ detail }: ProvisionedChange, change: ProvisionedChange | undefined): string {
  if (change?.action === "update") return "applied, but not as the config says";
  if (change?.action === "delete") return "applied, and in the config no more";
  return detail["status"] === "Disabled" ? "applied, disabled" : "applied";
}

function ruleLine({ detail }: ProvisionedChange, state: string): string {
  return `${detail["rule"]}  ${detail["source"]} → ${bucketOf(String(detail["destination"]))}  ${state}`;
}

function bucketOf(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}
