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
    throw new ReplicationError("StoreUnreachable", `no daemon answers at ${url}`, {
      hint: "start it with replicast run, or correct --server",
      cause,
    });
  });
  const body = (await response.json().catch(() => ({}))) as { detail?: string; hint?: string | null };
  if (response.ok) return body as T;
  const hint = response.status === 401 ? "set REPLICAST_TOKEN to a token of the daemon's config" : (body.hint ?? undefined);
  throw new ReplicationError("InvalidRequest", body.detail ?? `${url} answered ${response.status}`, { hint });
}

function addressOf(url: string, path: string): URL {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return new URL(path, url);
  throw new ReplicationError("ConfigInvalid", `"${url}" is no address of a daemon`, { hint: "--server http://127.0.0.1:8417" });
}

/** Builds a query string of what is given. */
export function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search}`;
}
