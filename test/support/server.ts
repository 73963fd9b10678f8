import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { type ExitStatus, type ProcessOptions, type ServerProcess, startProcess } from "./process.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What a client needs to know of a server. */
export interface S3Endpoint {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  /** Certificate to trust where the endpoint is https. */
  readonly caFile?: string;
}

/** A server on 127.0.0.1 whose data lies in a directory of its own; both are gone after disposal. */
export interface RealServer extends S3Endpoint, AsyncDisposable {
  readonly port: number;
  /** Everything that the server writes lies below. */
  readonly directory: string;
  readonly pid: number;
  /** The end of what the server printed. */
  log(): string;
  /** Ends the server as a power cut would; its data stays. */
  kill(): Promise<ExitStatus>;
  /** Stops the server in order; its data stays. */
  stop(): Promise<ExitStatus>;
  /** Holds the server's process, so that clients hang, until {@link RealServer.resume}. */
  suspend(): void;
  resume(): void;
  /** Starts a stopped or killed server again, on the same port and data. */
  start(): Promise<void>;
}

export interface Launch extends Omit<ProcessOptions, "name" | "scratchDirectory"> {
  readonly endpoint: string;
  readonly caFile?: string;
}

export interface ServerOptions {
  readonly name: string;
  readonly credentials: Credentials;
  /** Where the data directory is made. @defaultValue `$REPLICAST_TEST_DIR`, else the system's directory for temporary files */
  readonly dataRoot?: string | undefined;
  /** Says how to start the server on a port, with its data below a directory. Called again for each attempt and each restart. */
  readonly launch: (port: number, directory: string) => Launch | Promise<Launch>;
}

const portTaken = /address already in use|port is already in use|EADDRINUSE/i;
const attempts = 5;

/** Starts a server on a free port, again on another one when somebody else was quicker. */
export async function startServer(options: ServerOptions): Promise<RealServer> {
  for (let attempt = 1; ; attempt++) {
    const server = await prepare(options);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      if (attempt === attempts || !portTaken.test(String(error))) throw error;
    }
  }
}

async function prepare(options: ServerOptions): Promise<PortedServer> {
  const root = options.dataRoot ?? process.env.REPLICAST_TEST_DIR ?? tmpdir();
  const directory = await mkdtemp(join(root, `replicast-${options.name}-`));
  const port = await freePort();
  return new PortedServer(options, { port, directory, launch: await options.launch(port, directory) });
}

interface Place {
  readonly port: number;
  readonly directory: string;
  readonly launch: Launch;
}

class PortedServer implements RealServer {
  readonly region = "us-east-1";
  readonly port: number;
  readonly directory: string;
  readonly endpoint: string;
  readonly credentials: Credentials;
  readonly caFile?: string;
  readonly #options: ServerOptions;
  readonly #launch: Launch;
  #process: ServerProcess | undefined;

  constructor(options: ServerOptions, place: Place) {
    this.#options = options;
    this.#launch = place.launch;
    this.port = place.port;
    this.directory = place.directory;
    this.endpoint = place.launch.endpoint;
    this.credentials = options.credentials;
    if (place.launch.caFile) this.caFile = place.launch.caFile;
  }

  get pid(): number {
    return this.#current.pid;
  }

  get #current(): ServerProcess {
    if (!this.#process) throw new Error(`${this.#options.name} was not started`);
    return this.#process;
  }

  log(): string {
    return this.#process?.log.text() ?? "";
  }

  async start(): Promise<void> {
    if (this.#process && !this.#process.exitStatus) return;
    this.#process = await startProcess({ ...this.#launch, name: this.#options.name, scratchDirectory: this.directory });
  }

  async stop(): Promise<ExitStatus> {
    return this.#current.stop();
  }

  async kill(): Promise<ExitStatus> {
    return this.#current.kill();
  }

  suspend(): void {
    this.#current.signal("SIGSTOP");
  }

  resume(): void {
    this.#current.signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // Nothing of it is kept, so it need not end in order.
      await this.#process?.kill();
    } finally {
      await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}
