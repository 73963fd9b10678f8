import { isReplicationError, ReplicationError } from "../domain/error.ts";

/** Does what needs the state for itself. @throws `LedgerLocked` with the hint given where another process has it, which no `--server` mends */
export async function withLockHint<T>(hint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isReplicationError(error) || error.code !== "LedgerLocked") throw error;
    throw new ReplicationError("LedgerLocked", error.message, { hint, cause: error });
  }
}
