import { createHash, createHmac } from "node:crypto";
import { request } from "node:http";
import type { S3Endpoint } from "./server.ts";

export interface RawRequest {
  readonly method: "GET" | "PUT" | "HEAD" | "POST" | "DELETE";
  readonly bucket: string;
  readonly key: string;
  /** Values of any text: sent as UTF-8, as many clients do and Node's own does not. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface RawAnswer {
  readonly status: number;
  /** Values read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Sends one request over http that no client library has touched; signed by Signature Version 4. Keys travel percent-encoded, byte for byte. */
export async function rawS3(server: S3Endpoint, raw: RawRequest): Promise<RawAnswer> {
  const path = `/${raw.bucket}/${[...Buffer.from(raw.key)].map(encodeByte).join("")}`;
  const body = Buffer.from(raw.body ?? "");
  const headers = sign(server, { method: raw.method, path, body, headers: raw.headers ?? {} });
  const { hostname, port } = new URL(server.endpoint);
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const sent = request(
    { hostname, port, method: raw.method, path, headers: recoded(headers, "utf8", "latin1"), agent: false },
    (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("error", reject);
      answer.once("close", () => {
        const received = recoded(answer.headers as Record<string, string>, "latin1", "utf8");
        resolve({ status: answer.statusCode ?? 0, headers: received, body: Buffer.concat(chunks) });
      });
    },
  );
  sent.once("error", reject);
  sent.end(body);
  return promise;
}

interface Unsigned {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

function sign(server: S3Endpoint, { method, path, body, headers }: Unsigned): Record<string, string> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const contentHash = createHash("sha256").update(body).digest("hex");
  const all: Record<string, string> = {
    ...headers,
    host: new URL(server.endpoint).host,
    "x-amz-content-sha256": contentHash,
    "x-amz-date": stamp,
  };
  const names = Object.keys(all).sort();
  const canonical = [method, path, "", ...names.map((name) => `${name}:${all[name]?.trim()}`), "", names.join(";"), contentHash].join("\n");
  const scope = `${stamp.slice(0, 8)}/${server.region}/s3/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const signature = hmac(signingKey(server, scope), toSign).toString("hex");
  const { accessKeyId } = server.credentials;
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { ...all, authorization, "content-length": String(body.length) };
}

function signingKey(server: S3Endpoint, scope: string): Buffer {
  return scope.split("/").reduce(hmac, Buffer.from(`AWS4${server.credentials.secretAccessKey}`));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9._~/-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

function recoded(headers: Readonly<Record<string, string>>, from: BufferEncoding, to: BufferEncoding): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(String(value), from).toString(to)]));
}
