/** How many set-aside messages are kept, the newest; at 4 KiB each that is 40 MB. */
const SET_ASIDE_KEPT = 10_000;

export const NOTE_NAMES = [
  "countIntake",
  "countMalformed",
  "setAside",
  "pruneSetAside",
  "markOutage",
  "clearOutage",
  "saveSyncProgress",
  "setRuleSince",
  "saveGate",
  "saveConflict",
  "pauseRule",
  "resumeRule",
  "abandonIntent",
  "saveFingerprint",
  "saveEpoch",
  "saveEngine",
  "forgetHoldings",
  "forgetIntents",
  "bindUpload",
  "releaseUpload",
] as const;
export type NoteName = (typeof NOTE_NAMES)[number];

/** Statements that need no answer. Each may run twice or late without harm but for the counters, which run once with their batch. */
export const NOTES: Readonly<Record<NoteName, string>> = {
  countIntake: `INSERT INTO intake (store, received, ignored) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET received = received + excluded.received, ignored = ignored + excluded.ignored`,
  countMalformed: `INSERT INTO intake (store, malformed, last_reason, last_at) VALUES (?1, 1, ?2, ?3)
    ON CONFLICT DO UPDATE SET malformed = malformed + 1, last_reason = excluded.last_reason, last_at = excluded.last_at`,
  setAside: "INSERT INTO set_aside (store, at, reason, excerpt) VALUES (?1, ?2, ?3, ?4)",
  pruneSetAside: `DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ${SET_ASIDE_KEPT}`,
  markOutage: "INSERT INTO outage VALUES (?1) ON CONFLICT DO NOTHING",
  clearOutage: "DELETE FROM outage WHERE store = ?1",
  saveSyncProgress: "INSERT OR REPLACE INTO sync_progress VALUES (?1, ?2, ?3, ?4)",
  setRuleSince: "INSERT INTO rule_since VALUES (?1, ?2) ON CONFLICT DO NOTHING",
  saveGate: "INSERT OR REPLACE INTO gate (rule, source, destination, state) VALUES (?1, ?2, ?3, ?4)",
  saveConflict: "INSERT OR REPLACE INTO conflict (id, rule, open, detected_at, conflict) VALUES (?1, ?2, ?3, ?4, ?5)",
  pauseRule: "INSERT INTO paused_rule VALUES (?1) ON CONFLICT DO NOTHING",
  abandonIntent: "UPDATE intent SET expires_at = min(expires_at, ?2) WHERE id = ?1",
  resumeRule: "DELETE FROM paused_rule WHERE rule = ?1",
  saveFingerprint: "INSERT OR REPLACE INTO fingerprint (bucket, fingerprint) VALUES (?1, ?2)",
  saveEpoch: "INSERT OR REPLACE INTO epoch (id, epoch, generation, distrust) VALUES (1, ?1, ?2, ?3)",
  saveEngine: "INSERT OR REPLACE INTO rule_engine VALUES (?1, ?2)",
  forgetHoldings: "DELETE FROM holding WHERE bucket = ?1",
  forgetIntents: "DELETE FROM intent WHERE bucket = ?1",
  bindUpload: "INSERT OR REPLACE INTO upload VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
  releaseUpload: "DELETE FROM upload WHERE source = ?1 AND key = ?2 AND destination = ?3 AND destination_key = ?4 AND upload_id = ?5",
};
