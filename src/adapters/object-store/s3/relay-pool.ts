import { ReplicationError } from "../../../domain/error.ts";
import { Connection, DialTarget, type RelayOrigin } from "./relay-connection.ts";

export interface PoolLimits {
  readonly maxIdlePerOrigin: number;
  readonly idleTimeoutMs: number;
}

interface Idle {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

/** Every connection of a relay, and the idle ones by origin. */
export class ConnectionPool {
  readonly #limits: PoolLimits;
  readonly #targets = new Map<string, DialTarget>();
  readonly #idle = new Map<string, Idle[]>();
  readonly #all = new Set<Connection>();
  #closed = false;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** The idle connection that was used last, else a new one, which may still be connecting. */
  take(origin: RelayOrigin): Connection {
    const idle = this.#idle.get(keyOf(origin))?.pop();
    if (idle === undefined) return this.dial(origin);
    clearTimeout(idle.timer);
    return idle.connection;
  }

  /** A new connection, which may still be connecting. */
  dial(origin: RelayOrigin): Connection {
    if (this.#closed) throw new ReplicationError("Aborted", `${origin.host}:${origin.port}: the relay is closed`);
    const connection = new Connection(this.#target(origin), (gone) => this.#forget(gone));
    this.#all.add(connection);
    return connection;
  }

  /** Takes back a connection whose last answer was read to its end. */
  give(connection: Connection): void {
    const idle = this.#idle.get(connection.key) ?? [];
    if (this.#closed || connection.gone || idle.length >= this.#limits.maxIdlePerOrigin) connection.destroy();
    else this.#keep(connection, idle);
  }

  #keep(connection: Connection, idle: Idle[]): void {
    connection.detach();
    const timer = setTimeout(() => connection.destroy(), this.#limits.idleTimeoutMs).unref();
    idle.push({ connection, timer });
    this.#idle.set(connection.key, idle);
  }

  /** Ends every connection, also those in use. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#all]) connection.fail(new ReplicationError("Aborted", `${connection.name}: the relay was closed`));
    this.#targets.clear();
  }

  #target(origin: RelayOrigin): DialTarget {
    const key = keyOf(origin);
    const target = this.#targets.get(key) ?? new DialTarget(key, origin);
    this.#targets.set(key, target);
    return target;
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection);
    const idle = this.#idle.get(connection.key);
    const at = idle?.findIndex((one) => one.connection === connection) ?? -1;
    if (idle === undefined || at < 0) return;
    clearTimeout(idle[at]?.timer);
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(connection.key);
  }
}

function keyOf({ host, port, tls }: RelayOrigin): string {
  return tls === undefined ? `${host}:${port}` : `${host}:${port} ${tls.servername ?? ""} ${tls.ca ?? ""}`;
}
