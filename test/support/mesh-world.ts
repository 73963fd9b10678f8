import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BotoClient } from "./boto.ts";
import { startStore } from "./embedded-world.ts";
import { startMinio } from "./minio.ts";
import { startMailbox, toWorldStore } from "./real-world.ts";
import type { Workplace } from "./replicast.ts";
import { connect, type SdkClient } from "./sdk.ts";
import type { RealServer } from "./server.ts";
import { startVersitygw } from "./versitygw.ts";
import { breakGround, type Config, type WorldStore } from "./world.ts";

export const STORES = ["a", "b", "c"] as const;
export type StoreName = (typeof STORES)[number];

export interface MeshStore extends WorldStore {
  /** Sends the events of a bucket to the daemon; they are lost while it is down. */
  wire(bucket: string): Promise<void>;
}

/** Three stores that all tell the daemon of their objects, and a folder in which the product is used. */
export interface MeshWorld extends Workplace, AsyncDisposable {
  readonly stores: Readonly<Record<StoreName, MeshStore>>;
  /** Where the daemon listens. */
  readonly port: number;
}

interface Opening {
  readonly stack: AsyncDisposableStack;
  /** Where a store's events go. */
  readonly webhook: string;
}

type OpenClient = (server: RealServer) => Promise<SdkClient | BotoClient>;

const sdk: OpenClient = async (server) => connect(server);

/** Three stores in memory. */
export function openEmbeddedMesh(): Promise<MeshWorld> {
  return openMesh(async ({ stack, webhook }) => {
    const store = await startStore(webhook);
    stack.defer(() => store.close());
    return { ...store, wire: async () => {} };
  });
}

/** Three MinIO servers without a queue for their events. */
export function openMinioMesh(open: OpenClient = sdk): () => Promise<MeshWorld> {
  return () =>
    openMesh(async ({ stack, webhook }) => {
      const server = stack.use(await startMinio({ webhook: { id: "REPLICAST", endpoint: webhook, queue: false } }));
      return { ...(await toWorldStore(server, stack, open)), wire: (bucket) => server.addEvents(bucket) };
    });
}

/** Three versity gateways, which tell of all their buckets. */
export function openVersitygwMesh(open: OpenClient = sdk): () => Promise<MeshWorld> {
  return () =>
    openMesh(async ({ stack, webhook }) => {
      const mailbox = stack.use(await startMailbox(webhook));
      const server = stack.use(await startVersitygw({ webhookUrl: mailbox.url }));
      return { ...(await toWorldStore(server, stack, open)), wire: async () => {} };
    });
}

async function openMesh(open: (opening: Opening) => Promise<MeshStore>): Promise<MeshWorld> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const opened = await Promise.all(
    STORES.map(async (name) => [name, await open({ stack, webhook: `http://127.0.0.1:${ground.port}/events/${name}` })] as const),
  );
  const stores = Object.fromEntries(opened) as Record<StoreName, MeshStore>;
  const kept = stack.move();
  const variables = opened.flatMap(([name, { credentials }]) => [
    [`${name.toUpperCase()}_KEY`, credentials.accessKeyId],
    [`${name.toUpperCase()}_SECRET`, credentials.secretAccessKey],
  ]);
  return {
    stores,
    port: ground.port,
    directory: ground.directory,
    env: Object.fromEntries(variables),
    secrets: opened.map(([, { credentials }]) => credentials.secretAccessKey),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Writes the `replicast.yaml`: the three stores, these rules, and a second try soon. */
export async function configureMesh(world: MeshWorld, rules: readonly Config[], changes: Config = {}): Promise<void> {
  const store = (name: StoreName) => ({
    endpoint: world.stores[name].endpoint,
    region: world.stores[name].region,
    credentials: { accessKeyId: `\${${name.toUpperCase()}_KEY}`, secretAccessKey: `\${${name.toUpperCase()}_SECRET}` },
    events: { type: "webhook" },
  });
  const config = {
    version: 1,
    name: "acme",
    stores: Object.fromEntries(STORES.map((name) => [name, store(name)])),
    rules,
    state: "sqlite:./replicast.db",
    listen: { host: "127.0.0.1", port: world.port },
    retry: { maxAttempts: 50, initial: "100ms", max: "1s" },
    ...changes,
  };
  await writeFile(join(world.directory, "replicast.yaml"), JSON.stringify(config, null, 2));
}
