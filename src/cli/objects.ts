import type { Command } from "commander";
import type { ListDocument, ObjectListItem } from "../control-plane/contract.ts";
import { examples, type Invocation, usageError } from "./command.ts";
import { EXIT } from "./output.ts";
import { askServer, query } from "./server.ts";
import { entryLine, inspection } from "./status.ts";

export function define(command: Command): void {
  command
    .argument("<list>", "the word list")
    .option("--rule <id>", "rows of this rule")
    .option("--destination <id>", "rows of this destination")
    .option("--status <status>", "PENDING, COMPLETED, FAILED, HELD, REPLICA or SKIPPED")
    .option("--since <time>", "rows finished since this time (2026-01-31T12:00:00Z) or for so long (24h)")
    .option("--limit <n>", "at most so many, up to 1000", "100")
    .option("--next-token <token>", "go on where a list ended")
    .addHelpText("after", examples("objects list --status FAILED", "objects list --rule photos --since 1h --json"));
}

/** Prints the ledger's rows that the filters let through. */
export async function run(invocation: Invocation): Promise<number> {
  const { args, output, global, env } = invocation;
  if (args[0] !== "list") throw usageError(`objects has no "${args[0]}"`, "replicast objects list");
  const filters = await toQuery(invocation.options);
  const since = filters.since === undefined ? undefined : new Date(filters.since).toISOString();
  const document: ListDocument<ObjectListItem> =
    global.server === undefined
      ? await (await inspection(invocation)).objects(filters)
      : await askServer(global.server, `/api/v1/objects${query({ ...filters, since })}`, env);
  if (output.json) await output.document(document);
  else for (const item of document.items) await output.line(`${item.bucket ?? "?"}/${item.key}  ${entryLine(item)}`);
  if (!output.json && document.nextToken !== null) output.info(`more: --next-token ${document.nextToken}`);
  return EXIT.done;
}

async function toQuery(options: Invocation["options"]) {
  const text = (name: string) => options[name] as string | undefined;
  const { parseDuration } = await import("../config/units.ts");
  const limit = Number(text("limit"));
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw usageError(`--limit is a whole number from 1 to 1000, not "${text("limit")}"`, "--limit 100");
  return {
    rule: text("rule"),
    destination: text("destination"),
    status: text("status"),
    since: toInstant(text("since"), parseDuration),
    limit,
    nextToken: text("nextToken"),
  };
}

function toInstant(since: string | undefined, parseDuration: (text: string) => number | undefined): number | undefined {
  if (since === undefined) return undefined;
  const ago = parseDuration(since);
  const at = ago === undefined ? Date.parse(since) : Date.now() - ago;
  if (Number.isNaN(at)) throw usageError(`--since is no time: "${since}"`, "--since 2026-01-31T12:00:00Z, or --since 24h");
  return at;
}
