import type { Command } from "commander";
import { examples, type Invocation, usageError } from "./command.ts";
import { defineListing, listingOf, listingQuery } from "./listing.ts";
import { read } from "./operate.ts";
import { EXIT } from "./output.ts";
import { oneLine } from "./printable.ts";
import { query } from "./server.ts";
import { entryLine } from "./status.ts";

export function define(command: Command): void {
  defineListing(command)
    .argument("<list>", "the word list")
    .option("--rule <id>", "rows of this rule")
    .option("--destination <id>", "rows of this destination")
    .option("--status <status>", "PENDING, COMPLETED, FAILED, HELD, REPLICA or SKIPPED")
    .option("--since <time>", "rows finished since this time (2026-01-31T12:00:00Z) or for so long (24h)")
    .addHelpText("after", examples("objects list --status FAILED", "objects list --rule photos --since 1h --json"));
}

/** Prints the ledger's rows that the filters let through. */
export async function run(invocation: Invocation): Promise<number> {
  const { args, output } = invocation;
  if (args[0] !== "list") throw usageError(`objects has no "${args[0]}"`, "replicast objects list");
  const listing = await listingOf(invocation.options);
  const path = `/api/v1/objects${query(listingQuery(listing))}`;
  const document = await read(invocation, path, (inspection) => inspection.objects(listing));
  if (output.json) await output.document(document);
  else for (const item of document.items) await output.line(`${item.bucket ?? "?"}/${oneLine(item.key)}  ${entryLine(item)}`);
  if (!output.json && document.nextToken !== null) output.info(`more: --next-token ${document.nextToken}`);
  return EXIT.done;
}
