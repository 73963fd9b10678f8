import type { Command } from "commander";
import type { ListDocument } from "../control-plane/contract.ts";
import type { ListQuery } from "../control-plane/queries.ts";
import { type Invocation, usageError } from "./command.ts";
import type { Output } from "./output.ts";
import { oneLine } from "./printable.ts";

/** Adds the options of every list. */
export function defineListing(command: Command): Command {
  return command.option("--limit <n>", "at most so many, up to 1000", "100").option("--next-token <token>", "go on where a list ended");
}

/** The filters that were given, checked as far as they can be without a config. */
export async function listingOf(options: Invocation["options"]): Promise<ListQuery & { readonly limit: number }> {
  const text = (name: string) => options[name] as string | undefined;
  const limit = Number(text("limit"));
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw usageError(`--limit is a whole number from 1 to 1000, not "${text("limit")}"`, "--limit 100");
  const since = await toInstant(text("since"));
  return { rule: text("rule"), destination: text("destination"), status: text("status"), since, limit, nextToken: text("nextToken") };
}

/** The filters as the API wants them. */
export function listingQuery(listing: ListQuery): Readonly<Record<string, string | number | undefined>> {
  return { ...listing, since: listing.since === undefined ? undefined : new Date(listing.since).toISOString() };
}

/** Prints a list: its document, or a table with a line for each item. */
export async function printList<Item>(output: Output, document: ListDocument<Item>, table: ListTable<Item>): Promise<void> {
  if (output.json) return output.document(document);
  if (document.items.length === 0) output.info(table.empty);
  else for (const line of columns([table.head, ...document.items.map(table.cells)])) await output.line(line);
  if (document.nextToken !== null) output.info(`more: --next-token ${document.nextToken}`);
}

export interface ListTable<Item> {
  readonly head: readonly string[];
  readonly cells: (item: Item) => readonly string[];
  /** Said where there is nothing to list. */
  readonly empty: string;
}

/** Rows of cells as lines in which each column begins at one place. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const printed = rows.map((row) => row.map(oneLine));
  const widths = (printed[0] ?? []).map((_, column) => Math.max(...printed.map((row) => (row[column] ?? "").length)));
  return printed.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  "));
}

/** What is known of one thing; null is not. */
export type Facts = Readonly<Record<string, string | number | null>>;

/** What is known of one thing, a line each. */
export async function printFacts(output: Output, facts: Facts): Promise<void> {
  const known = Object.entries(facts).filter(([, value]) => value !== null);
  for (const line of columns(known.map(([name, value]) => [name, String(value)]))) await output.line(line);
}

async function toInstant(since: string | undefined): Promise<number | undefined> {
  if (since === undefined) return undefined;
  const { parseDuration } = await import("../config/units.ts");
  const ago = parseDuration(since);
  const at = ago === undefined ? Date.parse(since) : Date.now() - ago;
  if (Number.isNaN(at)) throw usageError(`--since is no time: "${since}"`, "--since 2026-01-31T12:00:00Z, or --since 24h");
  return at;
}
