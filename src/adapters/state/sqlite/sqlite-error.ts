import { type Disposition, type ErrorCode, isReplicationError, ReplicationError } from "../../../domain/error.ts";

/** An error as it crosses between the threads. */
export type LedgerErrorCells = readonly [
  code: ErrorCode,
  message: string,
  hint: string | null,
  disposition: Disposition,
  operation: string | null,
];

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** Primary result codes of SQLite and what they mean to a person. https://sqlite.org/rescode.html */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  5: { code: "LedgerUnavailable", hint: "another program is writing to the state file; end it" },
  8: { code: "LedgerUnavailable", hint: "give this user the right to write the state file and its folder" },
  10: { code: "LedgerUnavailable", hint: "check the disk that holds the state file: its health, its free space and its quota" },
  11: { code: "LedgerCorrupt", hint: "move the state file away and restore a copy of it; without one a sync rebuilds it" },
  13: { code: "LedgerUnavailable", hint: "free space on the disk that holds the state file" },
  14: { code: "LedgerUnavailable", hint: "give this user the right to read and write the state file and its folder" },
  26: { code: "LedgerCorrupt", hint: "the file is not a state of replicast; name another one with `state:`, or move this one away" },
};

/** Says in the project's words what SQLite or the runtime reported; a ReplicationError stays itself. */
export function toLedgerError(error: unknown, operation: string): ReplicationError {
  if (isReplicationError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const meaning = MEANINGS[primaryCode(error)];
  return new ReplicationError(meaning?.code ?? "LedgerUnavailable", `the state could not be used: ${message}`, {
    at: { operation },
    hint: meaning?.hint ?? "nothing of this was recorded; try again",
    cause: error,
  });
}

/** Is true where another connection holds the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === 5 || code === 6;
}

/** The low byte of SQLite's extended result code; 0 for errors of other origin. */
function primaryCode(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return 0;
  return error.errcode & 0xff;
}

export function toErrorCells(error: ReplicationError): LedgerErrorCells {
  return [error.code, error.message, error.hint ?? null, error.disposition, error.at.operation ?? null];
}

export function fromErrorCells([code, message, hint, disposition, operation]: LedgerErrorCells): ReplicationError {
  return new ReplicationError(code, message, { hint: hint ?? undefined, disposition, at: { operation: operation ?? undefined } });
}
