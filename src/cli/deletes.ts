import type { Command } from "commander";
import type { HeldDeleteItem } from "../control-plane/contract.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { defineListing, type Facts, listingOf, listingQuery, printList } from "./listing.ts";
import { operateOnRules, read } from "./operate.ts";
import { EXIT } from "./output.ts";
import { formatBytes } from "./progress.ts";
import { noIds, onlyId, printChange, selectionOf } from "./selection.ts";
import { query } from "./server.ts";
import { show } from "./show.ts";

const PATH = "/api/v1/deletes";

export function define(command: Command): void {
  defineListing(command)
    .argument("<action>", "list, show, approve (let the deletes pass) or reject (keep the objects)")
    .argument("[ids...]", "ids that the list gave")
    .option("--rule <id>", "held deletes of this rule")
    .option("--destination <id>", "list: held deletes at this destination")
    .option("--since <time>", "list: held since this time (2026-01-31T12:00:00Z) or for so long (24h)")
    .option("--all", "approve, reject: every held delete; approve needs --yes too")
    .option("--reopen", "reject: let later deletes pass again, also while others are still held")
    .addHelpText(
      "after",
      examples("deletes list --rule photos", "deletes approve ID", "deletes approve --all --yes", "deletes reject --rule photos --reopen"),
    );
}

/** Shows the deletes that a gate holds, and lets them pass or drops them. */
export async function run(invocation: Invocation): Promise<number> {
  const [action, ...ids] = invocation.args;
  switch (action) {
    case "list":
      noIds(ids, "replicast deletes list --rule RULE, or show ID");
      return list(invocation);
    case "show":
      return showHeld(invocation, onlyId(ids, "replicast deletes show ID"));
    case "approve":
      return approve(invocation, ids);
    case "reject":
      return reject(invocation, ids);
    default:
      throw usageError(`deletes has no "${action}"`, "replicast deletes list, show, approve or reject");
  }
}

async function list(invocation: Invocation): Promise<number> {
  const listing = await listingOf(invocation.options);
  const document = await read(invocation, PATH + query(listingQuery(listing)), (inspection) => inspection.heldDeletes(listing));
  await printList(invocation.output, document, {
    head: ["ID", "RULE", "DESTINATION", "OBJECT", "SIZE", "HELD SINCE"],
    cells: (item) => [
      item.id,
      item.rule,
      item.destination,
      `${item.bucket ?? "?"}/${item.key}`,
      item.bytes === null ? "" : formatBytes(item.bytes),
      item.heldAt ?? "",
    ],
    empty: "no delete is held",
  });
  return EXIT.done;
}

function showHeld(invocation: Invocation, id: string): Promise<number> {
  return show(invocation, { path: PATH, id, fromState: (inspection) => inspection.heldDelete(id), facts: factsOf });
}

function factsOf(item: HeldDeleteItem): Facts {
  return {
    object: `${item.bucket ?? "?"}/${item.key}`,
    version: item.versionId,
    rule: item.rule,
    destination: item.destination,
    "deleted at the source": item.eventTime,
    "held since": item.heldAt,
    "would remove": item.bytes === null ? null : formatBytes(item.bytes),
    etag: item.destinationEtag,
    id: item.id,
  };
}

async function approve(invocation: Invocation, ids: readonly string[]): Promise<number> {
  const selection = selectionOf(ids, invocation.options, "replicast deletes approve ID, --rule RULE or --all");
  if ("all" in selection && !invocation.global.yes) {
    throw usageError("this removes every object whose delete is held", "replicast deletes list first, then the same with --yes");
  }
  const { approveDeletes } = await import("../control-plane/operations.ts");
  const document = await operateOnRules(invocation, {
    path: `${PATH}/approve`,
    body: selection,
    onState: (scope) => approveDeletes(scope, selection),
  });
  return printChange(invocation.output, document, "approved: each is decided again and made by the daemon");
}

async function reject(invocation: Invocation, ids: readonly string[]): Promise<number> {
  const selection = selectionOf(ids, invocation.options, "replicast deletes reject ID, --rule RULE or --all");
  const reopen = invocation.options["reopen"] === true;
  const { rejectDeletes } = await import("../control-plane/operations.ts");
  const document = await operateOnRules(invocation, {
    path: `${PATH}/reject`,
    body: { ...selection, reopen },
    onState: (scope) => rejectDeletes(scope, selection, { reopen }),
  });
  return printChange(invocation.output, document, "rejected: the objects stay at their destinations");
}
