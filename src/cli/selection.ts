import type { ChangeDocument } from "../control-plane/contract.ts";
import type { Selection } from "../control-plane/operations.ts";
import { type Invocation, usageError } from "./command.ts";
import { EXIT, type Output } from "./output.ts";

/** The rows that the ids, `--rule` or `--all` of a command line mean. @throws `ConfigInvalid` where it does not say, or says it twice */
export function selectionOf(ids: readonly string[], options: Invocation["options"], usage: string): Selection {
  const rule = options["rule"] as string | undefined;
  const isAll = options["all"] === true;
  const ways = [ids.length > 0, rule !== undefined, isAll].filter(Boolean).length;
  if (ways !== 1) throw usageError(ways === 0 ? "nothing was named" : "ids, --rule and --all exclude each other", usage);
  if (rule !== undefined) return { rule };
  return isAll ? { all: true } : { ids };
}

/** Refuses ids where an action takes none: whoever gave some means something else. */
export function noIds(ids: readonly string[], usage: string): void {
  const [id] = ids;
  if (id !== undefined) throw usageError(`list takes no "${id}"`, usage);
}

/** The one id that `show` and `resolve` are about. */
export function onlyId(ids: readonly string[], usage: string): string {
  const [id, ...others] = ids;
  if (id === undefined || others.length > 0) throw usageError("one id is needed", usage);
  return id;
}

/** Prints what a change came to. Exits 1 where an id that was given is not there any more. */
export async function printChange(output: Output, document: ChangeDocument, done: string): Promise<number> {
  if (output.json) await output.document(document);
  else await output.line(`${document.changed} ${done}`);
  for (const id of document.notFound) output.warn(`not there, or not there any more: ${id}`);
  return document.notFound.length > 0 ? EXIT.failed : EXIT.done;
}
