import type { Command } from "commander";
import type { ConflictItem, ConflictSideItem } from "../control-plane/contract.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { defineListing, type Facts, listingOf, printList } from "./listing.ts";
import { operate, read } from "./operate.ts";
import { EXIT } from "./output.ts";
import { formatBytes } from "./progress.ts";
import { noIds, onlyId } from "./selection.ts";
import { query } from "./server.ts";
import { printItem, show } from "./show.ts";

const PATH = "/api/v1/conflicts";

export function define(command: Command): void {
  defineListing(command)
    .argument("<action>", "list, show or resolve")
    .argument("[id]", "the id that the list gave")
    .option("--rule <id>", "conflicts of this rule")
    .option("--state <state>", "open, resolved or all", "open")
    .option("--winner <bucket>", "resolve: the bucket whose object stays, everywhere")
    .addHelpText("after", examples("conflicts list --rule team", "conflicts show ID", "conflicts resolve ID --winner a:team"));
}

/** Shows objects that were written at two buckets at once, and says which one stays. */
export async function run(invocation: Invocation): Promise<number> {
  const [action, ...ids] = invocation.args;
  switch (action) {
    case "list":
      noIds(ids, "replicast conflicts list --rule RULE, or show ID");
      return list(invocation);
    case "show":
      return showConflict(invocation, onlyId(ids, "replicast conflicts show ID"));
    case "resolve":
      return resolve(invocation, onlyId(ids, "replicast conflicts resolve ID --winner BUCKET"));
    default:
      throw usageError(`conflicts has no "${action}"`, "replicast conflicts list, show or resolve");
  }
}

async function list(invocation: Invocation): Promise<number> {
  const { rule, limit, nextToken } = await listingOf(invocation.options);
  const filter = { rule, limit, nextToken, state: invocation.options["state"] as string };
  const document = await read(invocation, PATH + query(filter), (inspection) => inspection.conflicts(filter));
  await printList(invocation.output, document, {
    head: ["ID", "RULE", "KEY", "BUCKETS", "FOUND", "STATE"],
    cells: (item) => [
      item.id,
      item.rule,
      item.key,
      item.sides.map(({ bucket }) => bucket).join(" "),
      item.detectedAt,
      item.winner === null ? item.state : `${item.winner} won (${item.resolvedBy ?? "?"})`,
    ],
    empty: "there is no such conflict",
  });
  return EXIT.done;
}

function showConflict(invocation: Invocation, id: string): Promise<number> {
  return show(invocation, { path: PATH, id, fromState: (inspection) => inspection.conflict(id), facts: factsOf });
}

async function resolve(invocation: Invocation, id: string): Promise<number> {
  const winner = invocation.options["winner"] as string | undefined;
  if (winner === undefined) throw usageError("it is not said which bucket's object stays", "--winner BUCKET");
  const { resolveConflict } = await import("../control-plane/resolve-conflict.ts");
  const item = await operate(invocation, {
    path: `${PATH}/${encodeURIComponent(id)}/resolve`,
    body: { winner },
    onState: (scope) => resolveConflict(scope, id, winner),
  });
  return printItem(invocation.output, item, factsOf);
}

function factsOf(item: ConflictItem): Facts {
  const sides = item.sides.map((side) => [side.bucket, sideText(side)] as const);
  return {
    key: item.key,
    rule: item.rule,
    found: item.detectedAt,
    ...Object.fromEntries(sides),
    resolved: item.resolvedAt,
    winner: item.winner === null ? null : `${item.winner} (${item.resolvedBy ?? "?"})`,
    id: item.id,
  };
}

function sideText({ object, origin, originTime }: ConflictSideItem): string {
  const by = `at ${origin}, ${originTime}`;
  return object === null ? `deleted ${by}` : `${formatBytes(object.bytes)}, etag ${object.etag}, written ${by}`;
}
