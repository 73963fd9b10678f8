import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import type { ObjectClient } from "./object-client.ts";
import type { Workplace } from "./replicast.ts";
import type { S3Endpoint } from "./server.ts";

/** A store of a scenario, and a client of it that shares no code with the product. */
export interface WorldStore extends S3Endpoint {
  readonly client: ObjectClient;
  /** Takes the store off the network; its data stays. */
  takeDown(): Promise<void>;
  bringBack(): Promise<void>;
}

/** What scenarios need: a source store `a`, a second store `b`, and a folder in which the product is used. */
export interface World extends Workplace, AsyncDisposable {
  readonly a: WorldStore;
  readonly b: WorldStore;
  /** Where the daemon listens. */
  readonly port: number;
  /** How the config says that events of `a` arrive. */
  readonly events: Readonly<Record<string, unknown>>;
  /** Sends the events of a bucket of `a` to the daemon. */
  wire(bucket: string): Promise<void>;
}

/** A folder, a port and an environment for a world between two stores. */
export interface Ground extends Workplace, AsyncDisposable {
  readonly port: number;
}

/** Makes the folder and picks the port: some stores must know where events go before they start. */
export async function breakGround(): Promise<Ground> {
  const directory = await mkdtemp(join(tmpdir(), "replicast-e2e-"));
  return {
    directory,
    port: await freePort(),
    env: {},
    secrets: [],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  };
}

export interface WorldParts {
  readonly ground: Ground;
  readonly a: WorldStore;
  readonly b: WorldStore;
  readonly events: Readonly<Record<string, unknown>>;
  readonly wire: (bucket: string) => Promise<void>;
  /** Lets go of the stores and their clients. */
  readonly close: () => Promise<void>;
}

/** Puts a world together. The credentials of its stores are in the environment, and no output may show them. */
export function assembleWorld({ ground, close, ...parts }: WorldParts): World {
  const { a, b } = parts;
  const { directory, port } = ground;
  return {
    ...parts,
    directory,
    port,
    env: {
      A_KEY: a.credentials.accessKeyId,
      A_SECRET: a.credentials.secretAccessKey,
      B_KEY: b.credentials.accessKeyId,
      B_SECRET: b.credentials.secretAccessKey,
    },
    secrets: [a, b].map(({ credentials }) => credentials.secretAccessKey).filter((secret) => secret.length > 8),
    async [Symbol.asyncDispose]() {
      try {
        await close();
      } finally {
        await ground[Symbol.asyncDispose]();
      }
    },
  };
}

export type Config = Readonly<Record<string, unknown>>;

/** One rule, `photos`: from `a:photos` to one bucket on the same store and two on the other. */
export const THREE_DESTINATIONS = ["a:near", "b:far", "b:archive"] as const;

/** The buckets of the default rule. */
export const BUCKETS = { a: ["photos", "near"], b: ["far", "archive"] } as const;

/** Keeps every version, so that what was written there can be counted. */
export const VERSIONED = "far";

/** The config that scenarios begin with, as a value that JSON can say. */
export function defaultConfig(world: World): Config {
  const store = (name: "a" | "b") => ({
    endpoint: world[name].endpoint,
    region: world[name].region,
    credentials: { accessKeyId: `\${${name.toUpperCase()}_KEY}`, secretAccessKey: `\${${name.toUpperCase()}_SECRET}` },
  });
  return {
    version: 1,
    name: "acme",
    stores: { a: { ...store("a"), events: world.events }, b: store("b") },
    rules: [{ id: "photos", source: "a:photos", destinations: THREE_DESTINATIONS }],
    state: "sqlite:./replicast.db",
    listen: { host: "127.0.0.1", port: world.port },
  };
}

/** Writes the `replicast.yaml` of a world: the default config with some of its top keys replaced. JSON is YAML. */
export async function configure(world: World, changes: Config = {}): Promise<void> {
  await writeFile(join(world.directory, "replicast.yaml"), JSON.stringify({ ...defaultConfig(world), ...changes }, null, 2));
}

/** Makes the buckets of the default rule, has their events sent, and writes the config. */
export async function settle(world: World, changes: Config = {}): Promise<void> {
  for (const bucket of BUCKETS.a) await world.a.client.createBucket(bucket);
  for (const bucket of BUCKETS.b) await world.b.client.createBucket(bucket, { versioning: bucket === VERSIONED });
  await world.wire("photos");
  await configure(world, changes);
}
