import type { Context } from "hono";
import type { Authenticator, Scope } from "./authenticator.ts";
import { type Problem, problemResponse } from "./problem.ts";

/** Turns away who may not, and what is asked in a way that nothing answers. */
export class Guard {
  readonly #authenticator: Authenticator;

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator;
  }

  /** The answer for those who may not; undefined for those who may. */
  refusal(context: Context, scope: Scope): Response | undefined {
    return this.refusalOf(context.req.header("authorization"), scope);
  }

  refusalOf(authorization: string | undefined, scope: Scope): Response | undefined {
    const verdict = this.#authenticator.check(authorization, scope);
    if (verdict === "allowed") return undefined;
    return problemResponse(verdict === "unauthorized" ? UNAUTHORIZED : forbidden(scope));
  }

  /**
   * The answer to a web page of another site: a browser sends its POST from the machine of whoever looks at the page, where no token may be
   * needed. Undefined for all others: what is no browser names no origin, and a page that was given a token may be anywhere.
   */
  foreignPage(context: Context): Response | undefined {
    const origin = context.req.header("origin");
    if (origin === undefined || /^bearer /i.test(context.req.header("authorization") ?? "")) return undefined;
    if (sameHost(origin, context.req.header("host") ?? new URL(context.req.url).host)) return undefined;
    return problemResponse(FOREIGN_PAGE);
  }

  methodNotAllowed(allow: string): Response {
    const detail = `only ${allow} is answered here`;
    return problemResponse({ status: 405, code: "MethodNotAllowed", detail, hint: `send ${allow.split(", ")[0]}`, headers: { allow } });
  }
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function forbidden(scope: Scope): Problem {
  return { status: 403, code: "AccessDenied", detail: "the token's scope does not reach this", hint: `use a token of scope ${scope}` };
}

const FOREIGN_PAGE: Problem = {
  status: 403,
  code: "AccessDenied",
  detail: "a web page of another site asked for this",
  hint: "use the replicast command, or a page that this address serves",
};

const UNAUTHORIZED: Problem = {
  status: 401,
  code: "Unauthorized",
  detail: "a token of the config is needed",
  hint: "send it as Authorization: Bearer <token>",
  headers: { "www-authenticate": "Bearer" },
};
