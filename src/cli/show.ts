import type { Inspection } from "../app/inspection.ts";
import type { Invocation } from "./command.ts";
import { type Facts, printFacts } from "./listing.ts";
import { read } from "./operate.ts";
import { EXIT, type Output } from "./output.ts";

/** One item of a list: where the API has it, how the state itself is asked for it, and what is told of it. */
export interface Shown<Item> {
  /** Of the list. */
  readonly path: string;
  readonly id: string;
  readonly fromState: (inspection: Inspection) => Promise<Item>;
  readonly facts: (item: Item) => Facts;
}

/** Reads and prints one item of a list. */
export async function show<Item extends object>(invocation: Invocation, { path, id, fromState, facts }: Shown<Item>): Promise<number> {
  const item = await read(invocation, `${path}/${encodeURIComponent(id)}`, fromState);
  return printItem(invocation.output, item, facts);
}

/** Prints an item: its document, or what is told of it. */
export async function printItem<Item extends object>(output: Output, item: Item, facts: (item: Item) => Facts): Promise<number> {
  if (output.json) await output.document(item);
  else await printFacts(output, facts(item));
  return EXIT.done;
}
