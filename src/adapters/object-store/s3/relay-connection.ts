import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { ReplicationError } from "../../../domain/error.ts";
import { outliveWriteErrors } from "./outlive-write-errors.ts";

export interface RelayOrigin {
  readonly host: string;
  readonly port: number;
  /** Present: TLS. `ca` is PEM and replaces the trusted roots; `servername` is the name to verify, the host unless given. */
  readonly tls?: { readonly ca?: string | undefined; readonly servername?: string | undefined } | undefined;
}

/** Who reads a connection now. */
export interface ConnectionReader {
  /** Where the next bytes go; undefined for the connection's own small buffer. Never empty. */
  room(): Buffer | undefined;
  /** Bytes have arrived in the buffer that `room` named after the arrival before. Returning false pauses. More may still arrive over TLS. */
  arrived(bytes: Buffer): boolean;
  /** The connection has ended or broken; nothing more arrives. */
  ended(error: ReplicationError): void;
}

/** Holds the head and the small body of an answer in one read. */
const SCRATCH_BYTES = 16 * 1024;

/**
 * One socket that reads into buffers of its reader's choice.
 *
 * A connection without a reader is idle: it is unref'd, and whatever arrives, or its end, destroys it.
 */
export class Connection {
  readonly key: string;
  /** host:port, for messages. */
  readonly name: string;
  readonly #socket: Socket;
  readonly #scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly #onGone: (connection: Connection) => void;
  #reader: ConnectionReader | undefined;
  #ready = false;
  #onReady: (() => void) | undefined;
  #gone = false;
  #uses = 0;
  #writeError: Error | undefined;

  constructor(target: DialTarget, onGone: (connection: Connection) => void) {
    this.key = target.key;
    this.name = `${target.origin.host}:${target.origin.port}`;
    this.#onGone = onGone;
    const onread = {
      buffer: () => this.#reader?.room() ?? this.#scratch,
      callback: (lengthBytes: number, buffer: Uint8Array) => this.#arrived(lengthBytes, buffer),
    };
    this.#socket = dial(target, onread);
    outliveWriteErrors(this.#socket, (error) => {
      this.#writeError ??= error;
    });
    this.#socket.once(target.origin.tls === undefined ? "connect" : "secureConnect", () => this.#becomeReady());
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("end", () => this.#end(undefined));
    this.#socket.on("close", () => this.#end(undefined));
  }

  /** Is true if the connection has served a request before the present one. */
  get reused(): boolean {
    return this.#uses > 1;
  }

  /** Is true once a write has failed: nothing more is sent, and what the peer said before it hung up still arrives. */
  get isMute(): boolean {
    return this.#writeError !== undefined;
  }

  get gone(): boolean {
    return this.#gone;
  }

  attach(reader: ConnectionReader): void {
    this.#uses++;
    this.#reader = reader;
    this.#socket.ref();
    this.#socket.resume();
  }

  /** Makes the connection idle. */
  detach(): void {
    this.#reader = undefined;
    this.#socket.unref();
    this.#socket.resume();
  }

  /** Calls back, at once if possible, when requests may be written: over TLS not before the server's name has been verified. */
  whenReady(callback: () => void): void {
    if (this.#ready) callback();
    else this.#onReady = callback;
  }

  /** `onFlushed` is called when the bytes are no longer needed: not where the write fails, and not after the connection has ended. */
  write(bytes: Buffer, onFlushed: () => void): void {
    this.#socket.write(bytes, (error) => {
      if (error === null || error === undefined) onFlushed();
      else this.#end(error);
    });
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection now, unsent bytes included. The reader is not told. */
  destroy(): void {
    this.#reader = undefined;
    this.#onReady = undefined;
    this.#end(undefined);
  }

  /** Breaks the connection under its reader. */
  fail(error: ReplicationError): void {
    this.#end(error);
  }

  #becomeReady(): void {
    this.#ready = true;
    const callback = this.#onReady;
    this.#onReady = undefined;
    callback?.();
  }

  #arrived(lengthBytes: number, buffer: Uint8Array): boolean {
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, lengthBytes);
    if (this.#reader !== undefined) return this.#reader.arrived(bytes);
    // Nobody asked for anything, so these bytes cannot be trusted to belong to the next answer.
    this.destroy();
    return false;
  }

  #end(cause: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    const reader = this.#reader;
    this.#reader = undefined;
    this.#onReady = undefined;
    this.#socket.destroy();
    this.#onGone(this);
    reader?.ended(this.#explain(cause));
  }

  #explain(ending: Error | undefined): ReplicationError {
    if (ending instanceof ReplicationError) return ending;
    const cause = this.#writeError ?? ending;
    const phase = this.#ready ? "the connection" : "connecting";
    const reason = cause === undefined ? "ended too early" : `failed: ${cause.message}`;
    return new ReplicationError("StoreUnreachable", `${this.name}: ${phase} ${reason}`, { cause });
  }
}

interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (lengthBytes: number, buffer: Uint8Array) => boolean;
}

/** An origin with what its connections share: parsing certificates and full handshakes are dear, so both are done once. */
export class DialTarget {
  readonly key: string;
  readonly origin: RelayOrigin;
  #context: SecureContext | undefined;
  session: Buffer | undefined;

  constructor(key: string, origin: RelayOrigin) {
    this.key = key;
    this.origin = origin;
  }

  get context(): SecureContext {
    this.#context ??= createSecureContext({ ca: this.origin.tls?.ca, ciphers: CIPHERS, minVersion: "TLSv1.2" });
    return this.#context;
  }
}

/** AES-128 first: every byte is decrypted once and encrypted once per destination, and it takes 10 rounds where AES-256 takes 14. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

function dial(target: DialTarget, onread: OnRead): Socket {
  const { host, port, tls } = target.origin;
  const socket = tls === undefined ? connectTcp({ host, port, onread }) : dialTls(target, onread);
  return socket.setNoDelay(true);
}

function dialTls(target: DialTarget, onread: OnRead): TLSSocket {
  const { host, port, tls } = target.origin;
  const servername = tls?.servername ?? (isIP(host) === 0 ? host : "");
  const options = { host, port, servername, secureContext: target.context, session: target.session, ALPNProtocols: ["http/1.1"], onread };
  const socket = connectTls(options);
  socket.on("session", (session) => {
    target.session = session;
  });
  // A session that the server no longer takes must not spoil the next handshake too.
  socket.on("error", () => {
    target.session = undefined;
  });
  return socket;
}
