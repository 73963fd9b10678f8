import { openForWriting } from "./database.ts";
import { toLedgerError } from "./sqlite-error.ts";

/** How long a write can still take effect after the process that made it has ended: what had arrived at its store may be stored. Milliseconds. */
const LANDS_WITHIN_MS = 20_000;

/**
 * Ends the long waits for writes that nobody makes any more: their process is dead, since whoever holds the lock of the state is the only one.
 * The intents stay, to recognise what landed by.
 */
export function shortenOrphanedIntents(path: string, now: number): void {
  const db = openForWriting(path);
  try {
    db.prepare("UPDATE intent SET expires_at = ?1 WHERE expires_at > ?1").run(now + LANDS_WITHIN_MS);
  } catch (error) {
    throw toLedgerError(error, "open");
  } finally {
    db.close();
  }
}
