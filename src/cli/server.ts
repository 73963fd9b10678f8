import type { Environment } from "../config/resolved-config.ts";
import { ReplicationError } from "../domain/error.ts";

/** Asks a running daemon and returns its JSON document. @throws what the daemon answered, with its hint */
export async function askServer<T>(server: string, path: string, env: Environment): Promise<T> {
  const headers: Record<string, string> = env["REPLICAST_TOKEN"] ? { authorization: `Bearer ${env["REPLICAST_TOKEN"]}` } : {};
  const response = await fetch(new URL(path, server), { headers }).catch((cause: unknown) => {
    throw new ReplicationError("StoreUnreachable", `no daemon answers at ${server}`, {
      hint: "start it with replicast run, or correct --server",
      cause,
    });
  });
  const body = (await response.json().catch(() => ({}))) as { detail?: string; hint?: string | null };
  if (response.ok) return body as T;
  const hint = response.status === 401 ? "set REPLICAST_TOKEN to a token of the daemon's config" : (body.hint ?? undefined);
  throw new ReplicationError("InvalidRequest", body.detail ?? `${server} answered ${response.status}`, { hint });
}

/** Builds a query string of what is given. */
export function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search}`;
}
