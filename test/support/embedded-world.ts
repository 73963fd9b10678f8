import { randomBytes } from "node:crypto";
import type { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import { connect, type SdkClient } from "./sdk.ts";
import { assembleWorld, breakGround, type World, type WorldStore } from "./world.ts";

/** An embedded store whose insides a test may see. */
export interface EmbeddedStore extends WorldStore {
  readonly client: SdkClient;
  readonly model: EmbeddedS3Model;
}

export interface EmbeddedWorld extends World {
  readonly a: EmbeddedStore;
  readonly b: EmbeddedStore;
}

/** Two in-memory stores in this process, with the AWS SDK as their client; events of `a` go to the daemon, and are lost while it is down. */
export async function openEmbeddedWorld(): Promise<EmbeddedWorld> {
  const ground = await breakGround();
  const a = await startStore(`http://127.0.0.1:${ground.port}/events/a`);
  const b = await startStore();
  const world = assembleWorld({
    ground,
    a,
    b,
    events: { type: "webhook" },
    wire: async () => {},
    close: async () => {
      await Promise.all([a.close(), b.close()]);
    },
  });
  return { ...world, a, b };
}

export interface StartedStore extends EmbeddedStore {
  close(): Promise<void>;
}

/** Starts one embedded store that can be taken down and brought back on its port with its data. */
export async function startStore(webhook?: string): Promise<StartedStore> {
  const credentials = { accessKeyId: `embedded${randomBytes(4).toString("hex")}`, secretAccessKey: randomBytes(16).toString("hex") };
  let server: RunningEmbeddedS3 = await startEmbeddedS3({ credentials });
  const { endpoint, model } = server;
  if (webhook !== undefined) server.notify({ url: webhook });
  const client = connect({ endpoint, region: "us-east-1", credentials });
  return {
    endpoint,
    region: "us-east-1",
    credentials,
    client,
    model,
    takeDown: () => server.close(),
    async bringBack() {
      server = await startEmbeddedS3({ credentials, model, port: Number(new URL(endpoint).port) });
      if (webhook !== undefined) server.notify({ url: webhook });
    },
    async close() {
      client[Symbol.dispose]();
      await server.close();
    },
  };
}
