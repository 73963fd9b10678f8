import type { Environment } from "../config/resolved-config.ts";
import { ReplicationError } from "../domain/error.ts";

/** A running daemon and how to ask it. */
export interface Server {
  readonly url: string;
  readonly token: string | undefined;
}

/** The daemon of `--server` or REPLICAST_SERVER, with the token of REPLICAST_TOKEN. */
export function givenServer(url: string, env: Environment): Server {
  return { url, token: env["REPLICAST_TOKEN"] || undefined };
}

/** Asks a running daemon and returns its JSON document. @throws what the daemon answered, with its hint */
export function askServer<T>(server: string, path: string, env: Environment): Promise<T> {
  return request(givenServer(server, env), path, { method: "GET" });
}

/** As {@link askServer}, of a daemon whose token is known. */
export function readServer<T>(server: Server, path: string): Promise<T> {
  return request(server, path, { method: "GET" });
}

/** Tells a running daemon to change something and returns its JSON document. @throws what the daemon answered, with its hint */
export function tellServer<T>(server: Server, path: string, body: object): Promise<T> {
  const headers = { "content-type": "application/json" };
  return request(server, path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function request<T>({ url, token }: Server, path: string, init: RequestInit & { headers?: Record<string, string> }): Promise<T> {
  const headers = { ...init.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const response = await fetch(addressOf(url, path), { ...init, headers }).catch((cause: unknown) => {
    throw unanswered(url, cause);
  });
  const body = (await response.json().catch(() => ({}))) as { detail?: string; hint?: string | null };
  if (response.ok) return body as T;
  throw new ReplicationError("InvalidRequest", body.detail ?? `${url} answered ${response.status}`, {
    hint: hintOf(response.status, body),
    at: { status: response.status },
  });
}

function unanswered(url: string, cause: unknown): ReplicationError {
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : undefined;
  const code = reason !== undefined && "code" in reason ? String(reason.code) : "";
  if (!/CERT|SELF_SIGNED|ERR_TLS/.test(code)) {
    const hint = "start it with replicast run, or correct --server";
    return new ReplicationError("StoreUnreachable", `no daemon answers at ${url}`, { hint, cause });
  }
  const hint = "set NODE_EXTRA_CA_CERTS to the file of listen.tls.certFile, or of who signed it; and name the host as the certificate does";
  return new ReplicationError("StoreUnreachable", `the certificate of ${url} is not trusted: ${reason?.message}`, { hint, cause });
}

/** Only a daemon says what went wrong. */
function hintOf(status: number, { detail, hint }: { readonly detail?: string; readonly hint?: string | null }): string | undefined {
  if (status === 401) return "set REPLICAST_TOKEN to a token of the daemon's config";
  return detail === undefined ? "no daemon of replicast answers there: correct --server" : (hint ?? undefined);
}

/** A daemon may be behind a path of a proxy. */
function addressOf(url: string, path: string): URL {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return new URL(url.replace(/[/]*$/, path));
  throw new ReplicationError("ConfigInvalid", `"${url}" is no address of a daemon`, { hint: "--server http://127.0.0.1:8417" });
}

/** Builds a query string of what is given. */
export function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search}`;
}
