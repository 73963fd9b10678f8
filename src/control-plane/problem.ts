import { type ErrorCode, isReplicationError, ReplicationError, toReplicationError } from "../domain/error.ts";
import type { HttpCode, ProblemDocument } from "./contract.ts";

export interface Problem {
  readonly status: number;
  readonly code: ErrorCode | HttpCode;
  readonly detail: string;
  readonly hint?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

const STATUS_OF_CODE: ReadonlyMap<ErrorCode, number> = new Map([
  ["InvalidRequest", 400],
  ["MalformedEvent", 400],
  ["NoSuchBucket", 404],
  ["PreconditionFailed", 409],
  ["EntityTooLarge", 413],
  ["Overloaded", 503],
  ["LedgerUnavailable", 503],
  ["Draining", 503],
]);

/** The answer that says what went wrong. */
export function problemResponse(problem: Problem): Response {
  const { status, code, detail } = problem;
  const title = TITLES[status] ?? "Error";
  const document: ProblemDocument = { type: "about:blank", title, status, detail, code, hint: problem.hint ?? null };
  return new Response(JSON.stringify(document), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...problem.headers },
  });
}

const SEE_LOG = "see the log of the daemon";

/** The answer to an error that was thrown. What nobody expected is not told to the other side: it is in the log. */
export function errorProblem(error: unknown): Problem {
  const known = isReplicationError(error) ? error : undefined;
  if (known !== undefined && isNotFound(known)) return { status: 404, code: "NotFound", detail: known.message, hint: known.hint };
  const status = known === undefined ? 500 : (STATUS_OF_CODE.get(known.code) ?? 500);
  if (status === 503) return unavailableProblem(error);
  if (known === undefined) return { status, code: "Internal", detail: "something went wrong here", hint: SEE_LOG };
  return { status, code: known.code, detail: known.message, hint: known.hint ?? (status === 500 ? SEE_LOG : null) };
}

/** Asks the other side to come back: what it sent is not durable. */
export function unavailableProblem(error: unknown): Problem {
  const known = toReplicationError(error);
  const detail = isReplicationError(error) ? known.message : "could not be made durable";
  return { status: 503, code: known.code, detail, hint: known.hint ?? "send it again", headers: { "retry-after": retryAfter(known) } };
}

/** In whole seconds, and never 0: a sender that obeys it must not come back at once. */
function retryAfter(error: ReplicationError): string {
  return String(Math.max(1, Math.ceil((error.retryAfterMs ?? 0) / 1000)));
}

/** The error of a request for something that the API knows no such thing of. */
export function notFoundError(message: string, hint: string): ReplicationError {
  return new ReplicationError("InvalidRequest", message, { hint, at: { status: 404 } });
}

function isNotFound({ code, at }: ReplicationError): boolean {
  return code === "InvalidRequest" && at.status === 404;
}
