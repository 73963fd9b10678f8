import { createHash } from "node:crypto";
import type { ObjectStore } from "../ports/object-store.ts";

/** Where an object is. */
export interface Place {
  readonly store: ObjectStore;
  readonly key: string;
}

/** Names a place in stamps, without telling it. */
export function placeOf(bucket: string, key: string): string {
  return createHash("sha256")
    .update(JSON.stringify([bucket, key]))
    .digest("hex")
    .slice(0, 16);
}
