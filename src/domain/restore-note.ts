import type { ObjectState } from "./object.ts";

const RESTORED = "restored:";

/**
 * Note of a row whose object was asked for of its archive, as it was in this state, and has not been copied since. By itself replicast pays for
 * that once.
 */
export function restoreNote({ etag, lastModified }: Pick<ObjectState, "etag" | "lastModified">): string {
  return `${RESTORED}${etag}@${new Date(lastModified).toISOString()}`;
}

export function isRestoreNote(note: string): boolean {
  return note.startsWith(RESTORED);
}
