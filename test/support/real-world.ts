import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { BotoClient } from "./boto.ts";
import { aws } from "./clients.ts";
import { startStore } from "./embedded-world.ts";
import { type MinioServer, startMinio } from "./minio.ts";
import { motoAccountId, startMoto } from "./moto.ts";
import { connect, type SdkClient } from "./sdk.ts";
import type { RealServer } from "./server.ts";
import { startVersitygw } from "./versitygw.ts";
import { assembleWorld, breakGround, type Ground, type World, type WorldStore } from "./world.ts";

type OpenClient = (server: RealServer) => Promise<SdkClient | BotoClient>;

const sdk: OpenClient = async (server) => connect(server);

interface Opening {
  readonly ground: Ground;
  readonly stack: AsyncDisposableStack;
}

/** Opens a world over servers that it owns; what was started is stopped again where a later step fails. */
export async function openWorld(
  open: (opening: Opening) => Promise<Pick<World, "a" | "b" | "events" | "wire"> & { readonly secrets?: readonly string[] }>,
): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await breakGround());
  const parts = await open({ ground, stack });
  const kept = stack.move();
  const world = assembleWorld({ ...parts, ground, close: () => kept.disposeAsync() });
  return { ...world, secrets: [...world.secrets, ...(parts.secrets ?? [])] };
}

/** A running server as a store of a world, with its client. */
export async function toWorldStore(server: RealServer, stack: AsyncDisposableStack, open: OpenClient = sdk): Promise<WorldStore> {
  const client = await open(server);
  stack.use(client);
  const { endpoint, region, credentials } = server;
  return {
    endpoint,
    region,
    credentials,
    client,
    takeDown: async () => {
      await server.stop();
    },
    bringBack: () => server.start(),
  };
}

/** Two MinIO servers; the source sends events by webhook without a queue, so that those of a daemon that is down are lost. */
export function openMinioWorld(open: OpenClient = sdk): () => Promise<World> {
  return () =>
    openWorld(async ({ ground, stack }) => {
      const webhook = { id: "REPLICAST", endpoint: `http://127.0.0.1:${ground.port}/events/a`, queue: false };
      const [source, destination]: [MinioServer, MinioServer] = await Promise.all([startMinio({ webhook }), startMinio()]);
      stack.use(source);
      stack.use(destination);
      return {
        a: await toWorldStore(source, stack, open),
        b: await toWorldStore(destination, stack, open),
        events: { type: "webhook" },
        wire: (bucket) => source.addEvents(bucket),
      };
    });
}

/** Two versity gateways; the source sends the events of all its buckets. */
export function openVersitygwWorld(open: OpenClient = sdk): () => Promise<World> {
  return () =>
    openWorld(async ({ ground, stack }) => {
      const mailbox = stack.use(await startMailbox(`http://127.0.0.1:${ground.port}/events/a`));
      const source = stack.use(await startVersitygw({ webhookUrl: mailbox.url }));
      const destination = stack.use(await startVersitygw());
      return {
        a: await toWorldStore(source, stack, open),
        b: await toWorldStore(destination, stack, open),
        events: { type: "webhook" },
        wire: async () => {},
      };
    });
}

export interface Mailbox extends AsyncDisposable {
  readonly url: string;
}

/**
 * Passes events on to the daemon. The gateway does not start unless somebody takes its test event, and the daemon is not there yet. What it sends
 * it sends once, and gives up after three seconds: it is answered before the daemon is asked.
 */
export async function startMailbox(target: string): Promise<Mailbox> {
  const passing = new Set<Promise<unknown>>();
  const pass = (body: Buffer) => {
    const headers = { "content-type": "application/json", connection: "close" };
    const passed = fetch(target, { method: "POST", body, headers })
      .then((answer) => answer.body?.cancel())
      .catch(() => {}) // as with any webhook, what nobody takes is lost
      .finally(() => passing.delete(passed));
    passing.add(passed);
  };
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    response.writeHead(200, { connection: "close" }).end();
    pass(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      await Promise.all(passing);
    },
  };
}

/** Two embedded stores, except that one of the three is a real server: what only a destination can refuse is tried there. */
export function openInto(start: () => Promise<RealServer>): () => Promise<World> {
  return () =>
    openWorld(async ({ ground, stack }) => {
      const source = await startStore(`http://127.0.0.1:${ground.port}/events/a`);
      stack.defer(() => source.close());
      const destination = stack.use(await start());
      return { a: source, b: await toWorldStore(destination, stack), events: { type: "webhook" }, wire: async () => {} };
    });
}

/** A server gives messages also to a receiver that has gone; they come back after this time, in seconds. */
const BRIEF = ["--attributes", "VisibilityTimeout=2"];

type Route = "SQS" | "SNS raw" | "SNS enveloped";

/** moto as the source, which tells a queue of its objects, directly or by a topic; MinIO as the other store. */
export function openMotoWorld(route: Route): () => Promise<World> {
  return () =>
    openWorld(async ({ stack }) => {
      const [moto, minio] = await Promise.all([startMoto(), startMinio()]);
      stack.use(moto);
      stack.use(minio);
      const queue = JSON.parse(await aws(moto, "sqs", "create-queue", "--queue-name", "events", ...BRIEF)) as { readonly QueueUrl: string };
      return {
        a: await toWorldStore(moto, stack),
        b: await toWorldStore(minio, stack),
        events: { type: "sqs", queueUrl: queue.QueueUrl },
        wire: (bucket) => tellQueue(moto, { bucket, route }),
      };
    });
}

/** Has the events of a bucket put into the queue `events`, as somebody does it who reads AWS's manual. */
async function tellQueue(moto: RealServer, { bucket, route }: { readonly bucket: string; readonly route: Route }): Promise<void> {
  const queueArn = `arn:aws:sqs:us-east-1:${motoAccountId}:events`;
  const Events = ["s3:ObjectCreated:*"];
  let configuration: object = { QueueConfigurations: [{ QueueArn: queueArn, Events }] };
  if (route !== "SQS") {
    const { TopicArn } = JSON.parse(await aws(moto, "sns", "create-topic", "--name", "events")) as { readonly TopicArn: string };
    const raw = `RawMessageDelivery=${route === "SNS raw"}`;
    const target = ["--topic-arn", TopicArn, "--protocol", "sqs", "--notification-endpoint", queueArn, "--attributes", raw];
    await aws(moto, "sns", "subscribe", ...target);
    configuration = { TopicConfigurations: [{ TopicArn, Events }] };
  }
  const asked = ["--bucket", bucket, "--notification-configuration", JSON.stringify(configuration)];
  await aws(moto, "s3api", "put-bucket-notification-configuration", ...asked);
}
