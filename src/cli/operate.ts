import type { Inspection } from "../app/inspection.ts";
import type { Listen, ResolvedConfig } from "../config/resolved-config.ts";
import type { OperationScope } from "../control-plane/operations.ts";
import { parseBucketReference } from "../domain/bucket-reference.ts";
import { isReplicationError, ReplicationError } from "../domain/error.ts";
import { type Invocation, usageError } from "./command.ts";
import { askServer, givenServer, type Server, tellServer } from "./server.ts";

/** The state of the config, for reading and changing where no daemon is asked. */
export async function inspection({ global, env, cwd }: Invocation): Promise<Inspection> {
  return inspectionOf(await configOf({ global, env, cwd }), env);
}

/**
 * Reads a document: of the daemon of `--server`, else of the state itself.
 *
 * @throws `ConfigInvalid` where what was asked for cannot be
 */
export function read<T>(invocation: Invocation, path: string, fromState: (inspection: Inspection) => Promise<T>): Promise<T> {
  const { server } = invocation.global;
  return asUsage(async () => (server === undefined ? fromState(await inspection(invocation)) : askServer(server, path, invocation.env)));
}

/** What a person asked for wrongly is a mistake of the command line, whoever found it. */
async function asUsage<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const isWrong = isReplicationError(error) && error.code === "InvalidRequest" && (error.at.status ?? WRONG_REQUEST) === WRONG_REQUEST;
    if (!isWrong) throw error;
    throw new ReplicationError("ConfigInvalid", error.message, { hint: error.hint, cause: error });
  }
}

const WRONG_REQUEST = 400;

/** The same change, as the daemon is asked for it and as it is made on the state itself. */
export interface Operation<T> {
  readonly path: string;
  readonly body: object;
  readonly onState: (scope: OperationScope) => Promise<T>;
}

/**
 * Changes something by the daemon of `--server`, else in the state itself where no daemon has it, else by the daemon that has it, at the
 * address of the config.
 *
 * @throws `LedgerLocked` where whoever has the state answers no requests
 */
export async function operate<T>(invocation: Invocation, operation: Operation<T>): Promise<T> {
  const { global, env } = invocation;
  const { path, body, onState } = operation;
  if (global.server !== undefined) return tellServer(givenServer(global.server, env), path, body);
  const config = await configOf(invocation);
  try {
    return await (await inspectionOf(config, env)).change(onState);
  } catch (locked) {
    const server = isCode(locked, "LedgerLocked") ? serverOf(config, env) : undefined;
    if (server === undefined) throw locked;
    return tellServer<T>(server, path, body).catch((error: unknown) => {
      throw isCode(error, "StoreUnreachable") ? locked : error;
    });
  }
}

/** As {@link operate}, on rules that a person named. @throws `ConfigInvalid` where the config has none of that name */
export function operateOnRules<T>(invocation: Invocation, operation: Operation<T>): Promise<T> {
  return asUsage(() => operate(invocation, operation));
}

async function configOf({ global, env, cwd }: Pick<Invocation, "global" | "env" | "cwd">): Promise<ResolvedConfig> {
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig({ configPath: global.config, env, cwd });
}

async function inspectionOf(config: ResolvedConfig, env: Invocation["env"]): Promise<Inspection> {
  const { Inspection } = await import("../app/inspection.ts");
  return new Inspection(config, env);
}

/** The daemon that runs with this config on this machine; undefined where its port is known to nobody but itself. */
export function serverOf({ listen }: ResolvedConfig, env: Invocation["env"]): Server | undefined {
  if (listen.port === 0) return undefined;
  const admin = listen.tokens.find(({ scope }) => scope === "admin")?.token.reveal();
  const url = `${listen.tls === undefined ? "http" : "https"}://${hostOf(listen)}:${listen.port}`;
  return { url, token: env["REPLICAST_TOKEN"] || admin };
}

/** Who listens everywhere listens on the loopback too. */
function hostOf({ host }: Listen): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function isCode(error: unknown, code: string): boolean {
  return isReplicationError(error) && error.code === code;
}

/** The bucket and the key of BUCKET/KEY as the API wants them: apart. @throws `ConfigInvalid` where it names no object */
export function splitObject(reference: string): { readonly bucket: string; readonly key: string } {
  const { key } = parseBucketReference(reference);
  if (key === undefined) throw usageError(`"${reference}" names no object`, "BUCKET/KEY, such as a:photos/2024/x.jpg");
  const scheme = /^[a-z0-9]+:\/\//i.exec(reference)?.[0] ?? "";
  const slashes = /^https?:/i.test(scheme) ? /^[^/]*\/[^/]*/ : /^[^/]*/;
  return { bucket: scheme + (slashes.exec(reference.slice(scheme.length))?.[0] ?? ""), key };
}
