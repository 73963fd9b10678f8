import type { Command } from "commander";
import type { FailureItem } from "../control-plane/contract.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { defineListing, type Facts, listingOf, listingQuery, printList } from "./listing.ts";
import { operateOnRules, read } from "./operate.ts";
import { EXIT } from "./output.ts";
import { noIds, onlyId, printChange, selectionOf } from "./selection.ts";
import { query } from "./server.ts";
import { show } from "./show.ts";

const PATH = "/api/v1/failures";

export function define(command: Command): void {
  defineListing(command)
    .argument("<action>", "list, show, redrive (try again now) or discard (end as SKIPPED)")
    .argument("[ids...]", "ids that the list gave")
    .option("--rule <id>", "failures of this rule")
    .option("--destination <id>", "list: failures at this destination")
    .option("--since <time>", "list: failed since this time (2026-01-31T12:00:00Z) or for so long (24h)")
    .option("--all", "redrive, discard: every failure")
    .addHelpText("after", examples("failures list --rule photos", "failures show ID", "failures redrive --all", "failures discard ID"));
}

/** Shows objects that were given up, and tries them again or lets them be. */
export async function run(invocation: Invocation): Promise<number> {
  const [action, ...ids] = invocation.args;
  switch (action) {
    case "list":
      noIds(ids, "replicast failures list --rule RULE, or show ID");
      return list(invocation);
    case "show":
      return showFailure(invocation, onlyId(ids, "replicast failures show ID"));
    case "redrive":
    case "discard":
      return change(invocation, action, ids);
    default:
      throw usageError(`failures has no "${action}"`, "replicast failures list, show, redrive or discard");
  }
}

async function list(invocation: Invocation): Promise<number> {
  const listing = await listingOf(invocation.options);
  const document = await read(invocation, PATH + query(listingQuery(listing)), (inspection) => inspection.failures(listing));
  await printList(invocation.output, document, {
    head: ["ID", "RULE", "DESTINATION", "OBJECT", "ATTEMPTS", "LAST FAILED", "ERROR"],
    cells: (item) => [
      item.id,
      item.rule,
      item.destination,
      `${item.bucket ?? "?"}/${item.key}`,
      String(item.attempts),
      item.lastFailedAt ?? "",
      item.error?.code ?? "",
    ],
    empty: "nothing has failed",
  });
  return EXIT.done;
}

function showFailure(invocation: Invocation, id: string): Promise<number> {
  return show(invocation, { path: PATH, id, fromState: (inspection) => inspection.failure(id), facts: factsOf });
}

function factsOf(item: FailureItem): Facts {
  return {
    object: `${item.bucket ?? "?"}/${item.key}`,
    version: item.versionId,
    rule: item.rule,
    destination: item.destination,
    attempts: item.attempts,
    "first failed": item.firstFailedAt,
    "last failed": item.lastFailedAt,
    error: item.error === null ? null : `${item.error.code}: ${item.error.message}`,
    operation: item.error?.operation ?? null,
    try: item.error?.hint ?? null,
    id: item.id,
  };
}

async function change(invocation: Invocation, action: "redrive" | "discard", ids: readonly string[]): Promise<number> {
  const selection = selectionOf(ids, invocation.options, `replicast failures ${action} ID, --rule RULE or --all`);
  const { discardFailures, redriveFailures } = await import("../control-plane/operations.ts");
  const document = await operateOnRules(invocation, {
    path: `${PATH}/${action}`,
    body: selection,
    onState: (scope) => (action === "redrive" ? redriveFailures(scope, selection) : discardFailures(scope, selection)),
  });
  return printChange(invocation.output, document, action === "redrive" ? "tried again" : "discarded");
}
