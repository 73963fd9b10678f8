import { hash, timingSafeEqual } from "node:crypto";

/** What a token lets its bearer do; each scope includes those before it. */
export const SCOPES = ["events", "read", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface ScopedToken {
  readonly token: string;
  readonly scope: Scope;
}

export type Verdict = "allowed" | "unauthorized" | "forbidden";

/** Tells who may do what by the tokens of the config. Without any everybody may do everything: only loopback is listened on then. */
export class Authenticator {
  readonly #tokens: readonly { readonly digest: Buffer; readonly level: number }[];

  constructor(tokens: readonly ScopedToken[]) {
    this.#tokens = tokens.map(({ token, scope }) => ({ digest: digestOf(token), level: SCOPES.indexOf(scope) }));
  }

  check(authorization: string | null | undefined, scope: Scope): Verdict {
    if (this.#tokens.length === 0) return "allowed";
    const offered = offeredToken(authorization);
    const level = offered === undefined ? -1 : this.#levelOf(offered);
    if (level < 0) return "unauthorized";
    return level >= SCOPES.indexOf(scope) ? "allowed" : "forbidden";
  }

  /** Compares with every token, in a time that tells neither how much of one was right nor which one it was. */
  #levelOf(offered: string): number {
    const digest = digestOf(offered);
    let found = -1;
    for (const token of this.#tokens) {
      if (timingSafeEqual(token.digest, digest)) found = Math.max(found, token.level);
    }
    return found;
  }
}

/** The token of `Bearer <token>`, or of `Basic` as its password: a store that can only be given a URL sends `http://x:<token>@…` so. */
function offeredToken(authorization: string | null | undefined): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic) +(\S+) *$/i.exec(authorization ?? "") ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return value;
  const pair = Buffer.from(value, "base64").toString();
  const colon = pair.indexOf(":");
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/** Digests are of one length, which a constant-time comparison needs. */
function digestOf(token: string): Buffer {
  return hash("sha256", token, "buffer");
}
