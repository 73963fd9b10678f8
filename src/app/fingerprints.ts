import type { CapabilityMemory } from "../adapters/object-store/s3/object-store.ts";
import type { Bucket } from "../domain/bucket.ts";
import { isCurrent } from "../domain/fingerprint.ts";
import type { Safeguards } from "../ports/state.ts";
import { systemClock } from "./system-clock.ts";

/** Keeps what buckets honour in the state, so that a start does not try it again: a week, and as long as the server has the same name. */
export function rememberIn(safeguards: Safeguards): (bucket: Bucket) => CapabilityMemory {
  return ({ id }) => ({
    async recall(server) {
      const fingerprint = await safeguards.fingerprint(id);
      if (fingerprint === undefined || !isCurrent(fingerprint, { server, at: systemClock.now() })) return undefined;
      return fingerprint.honours;
    },
    keep: (server, honours) => safeguards.saveFingerprint(id, { takenAt: systemClock.now(), server, honours }),
  });
}
