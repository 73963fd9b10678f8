import type { ObjectState } from "../domain/object.ts";
import { needsTags, type Rule, sizeMatches, tagsMatch } from "../domain/rule.ts";
import type { ObjectStore } from "../ports/object-store.ts";

export interface TagSource {
  readonly store: ObjectStore;
  readonly signal: AbortSignal | undefined;
}

/** Whether a rule's filter lets an object in, as it was read; its tags are asked for only where the rule names some. */
export async function filterVerdict({ filter }: Rule, state: ObjectState, from: TagSource): Promise<boolean> {
  if (!sizeMatches(filter, state.sizeBytes)) return false;
  return !needsTags(filter) || tagsMatch(filter, await from.store.tags(state.key, { signal: from.signal }));
}
