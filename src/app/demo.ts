import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../embedded-s3/server.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { systemClock } from "./system-clock.ts";

/** Two S3 stores in this process and a config that replicates between them. */
export interface DemoWorld {
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Sends the source store's events to a webhook of the daemon. */
  notify(url: string): void;
  /** Ends the stores and removes every file. */
  close(): Promise<void>;
}

const BUCKETS = { a: ["photos", "photos-near"], b: ["photos-far", "photos-archive"] } as const;

/** Starts the stores and writes the config, both for this process's life only. */
export async function createDemoWorld(listenPort: number): Promise<DemoWorld> {
  const credentials = { accessKeyId: "demo", secretAccessKey: randomBytes(16).toString("hex") };
  const [a, b] = await Promise.all([startEmbeddedS3({ credentials }), startEmbeddedS3({ credentials })]);
  for (const bucket of BUCKETS.a) a.model.createBucket(bucket);
  for (const bucket of BUCKETS.b) b.model.createBucket(bucket);
  const directory = mkdtempSync(join(tmpdir(), "replicast-demo-"));
  const configFile = join(directory, "replicast.yaml");
  writeFileSync(configFile, toConfig({ a, b, listenPort, directory }));
  return {
    configFile,
    env: { ...process.env, DEMO_KEY: credentials.accessKeyId, DEMO_SECRET: credentials.secretAccessKey },
    notify: (url) => a.notify({ url }),
    async close() {
      await Promise.all([a.close(), b.close()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function toConfig({
  a,
  b,
  listenPort,
  directory,
}: {
  a: RunningEmbeddedS3;
  b: RunningEmbeddedS3;
  listenPort: number;
  directory: string;
}): string {
  const credentials = `{ accessKeyId: "\${DEMO_KEY}", secretAccessKey: "\${DEMO_SECRET}" }`;
  return `version: 1
name: demo
stores:
  a: { endpoint: "${a.endpoint}", credentials: ${credentials}, events: { type: webhook } }
  b: { endpoint: "${b.endpoint}", credentials: ${credentials} }
rules:
  - id: photos
    source: a:${BUCKETS.a[0]}
    destinations: [a:${BUCKETS.a[1]}, b:${BUCKETS.b[0]}, b:${BUCKETS.b[1]}]
state: sqlite:${directory}/replicast.db
listen: { host: 127.0.0.1, port: ${listenPort} }
`;
}

export interface WriterOptions {
  readonly store: ObjectStore;
  readonly objectsPerSecond: number;
  readonly signal: AbortSignal;
}

/** Sizes from a thumbnail to a photo; one in ten writes is an overwrite. */
const SIZES = [2_000, 8_000, 30_000, 120_000];
const OVERWRITE_EVERY = 10;
const ALBUMS = ["cats", "a b+c", "ümläut", "100%", "🥖"];

/** Writes objects at a steady pace until the signal aborts. Resolves when the last is written. */
export class DemoWriter {
  written = 0;
  bytes = 0;
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { objectsPerSecond, signal } = this.#options;
    const startedAt = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let i = 0; !signal.aborted; i++) {
      const waitMs = startedAt + (i * 1000) / objectsPerSecond - performance.now();
      if (waitMs > 0) await systemClock.sleep(waitMs, signal);
      if (signal.aborted) break;
      const write = this.#write(i).finally(() => underWay.delete(write));
      underWay.add(write);
    }
    await Promise.all(underWay);
  }

  async #write(i: number): Promise<void> {
    const number = i % OVERWRITE_EVERY === OVERWRITE_EVERY - 1 ? i - 5 : i;
    const body = randomBytes(SIZES[i % SIZES.length] ?? 1000);
    const tags: Record<string, string> = i % 5 === 0 ? { camera: "demo" } : {};
    await this.#options.store.put(`${ALBUMS[number % ALBUMS.length]}/${String(number).padStart(6, "0")}.jpg`, body, {
      attributes: { systemHeaders: { "content-type": "image/jpeg", "cache-control": "max-age=60" }, metadata: { shot: String(i) }, tags },
    });
    this.written++;
    this.bytes += body.length;
  }
}
