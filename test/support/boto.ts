import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { ensureTool } from "../../scripts/tools.ts";
import type {
  ListedKey,
  ListedVersion,
  MultipartContent,
  ObjectClient,
  ObjectContent,
  ObjectHead,
  ObjectPlace,
  StoredObject,
  Written,
} from "./object-client.ts";
import type { S3Endpoint } from "./server.ts";

type Ask = Readonly<Record<string, unknown>>;

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly status: number; readonly message: string };
}

/** What the store answered to boto3. */
export class BotoError extends Error {
  override readonly name = "BotoError";
  readonly code: string;
  readonly status: number;

  constructor(error: NonNullable<Answer["error"]>) {
    super(error.message);
    this.code = error.code;
    this.status = error.status;
  }
}

/** Starts a Python process that talks to the server by boto3, with its defaults but path style. It ends on disposal, or with this process. */
export async function startBoto(server: S3Endpoint): Promise<BotoClient> {
  const python = await ensureTool("python");
  const child = spawn(python, [fileURLToPath(new URL("./boto.py", import.meta.url))], {
    env: {
      PATH: process.env.PATH,
      BOTO_ENDPOINT: server.endpoint,
      BOTO_CA: server.caFile ?? "",
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      AWS_DEFAULT_REGION: server.region,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child, "spawn");
  return new BotoClient(child);
}

/** boto3 as a test client. Operations are answered one after the other. */
export class BotoClient implements ObjectClient, AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: PromiseWithResolvers<Answer>[] = [];
  readonly #ended: Promise<unknown>;

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#ended = once(child, "close");
    createInterface({ input: child.stdout })
      .on("line", (line) => this.#waiting.shift()?.resolve(JSON.parse(line)))
      .on("close", () => this.#abandon());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  async createBucket(bucket: string, options: { readonly versioning?: boolean } = {}): Promise<void> {
    await this.#ask("createBucket", { bucket, ...options });
  }

  async suspendVersioning(bucket: string): Promise<void> {
    await this.#ask("suspendVersioning", { bucket });
  }

  async put(bucket: string, key: string, content: ObjectContent): Promise<Written> {
    return this.#ask("put", { bucket, key, ...toAttributes(content), body: Buffer.from(content.body).toString("base64") });
  }

  async putMultipart(bucket: string, key: string, content: MultipartContent): Promise<Written> {
    const parts = content.parts.map((part) => Buffer.from(part).toString("base64"));
    return this.#ask("putMultipart", { bucket, key, ...toAttributes(content), parts });
  }

  async copy(from: ObjectPlace, to: ObjectPlace): Promise<Written> {
    return this.#ask("copy", { from, to });
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectHead | undefined> {
    return ifPresent(this.#ask<ObjectHead>("head", { bucket, key, versionId }));
  }

  async get(bucket: string, key: string, versionId?: string): Promise<StoredObject | undefined> {
    const found = await ifPresent(this.#ask<ObjectHead & { body: string }>("get", { bucket, key, versionId }));
    return found && { ...found, body: Buffer.from(found.body, "base64") };
  }

  async tags(bucket: string, key: string, versionId?: string): Promise<Record<string, string>> {
    return this.#ask("tags", { bucket, key, versionId });
  }

  async setTags(bucket: string, key: string, tags: Readonly<Record<string, string>>): Promise<void> {
    await this.#ask("setTags", { bucket, key, tags });
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<void> {
    await this.#ask("delete", { bucket, key, versionId });
  }

  async deleteMany(bucket: string, keys: readonly string[]): Promise<void> {
    await this.#ask("deleteMany", { bucket, keys });
  }

  async list(bucket: string, prefix?: string): Promise<ListedKey[]> {
    return this.#ask("list", { bucket, prefix });
  }

  async versions(bucket: string, prefix?: string): Promise<ListedVersion[]> {
    return this.#ask("versions", { bucket, prefix });
  }

  async #ask<T>(operation: string, ask: Ask): Promise<T> {
    const pending = Promise.withResolvers<Answer>();
    this.#waiting.push(pending);
    this.#child.stdin.write(`${JSON.stringify({ operation, ...ask })}\n`);
    const { result, error } = await pending.promise;
    if (error) throw new BotoError(error);
    return withoutNulls(result) as T;
  }

  #abandon(): void {
    for (const pending of this.#waiting.splice(0)) pending.reject(new Error("the boto3 process ended before it answered"));
  }
}

function toAttributes(content: Omit<ObjectContent, "body">): Ask {
  const { body: _, parts: __, tags, ...attributes } = content as Partial<ObjectContent & MultipartContent>;
  return { ...attributes, tags: tags && new URLSearchParams(tags).toString() };
}

/** Python has no absent field. */
function withoutNulls(result: unknown): unknown {
  if (typeof result !== "object" || result === null || Array.isArray(result)) return result;
  return Object.fromEntries(Object.entries(result).filter(([, value]) => value !== null));
}

async function ifPresent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof BotoError && error.status === 404 && error.code !== "NoSuchBucket") return undefined;
    throw error;
  }
}
