import { type FauxqsServer, startFauxqs } from "fauxqs";
import { startStore } from "./embedded-world.ts";
import { openWorld } from "./real-world.ts";
import type { World } from "./world.ts";

type Envelope = (notification: string) => string;

/** How SNS wraps what it delivers, unless it was told not to. */
export const snsEnvelope: Envelope = (notification) =>
  JSON.stringify({ Type: "Notification", MessageId: "1", TopicArn: "arn:aws:sns:us-east-1:000000000000:events", Message: notification });

/** Two embedded stores; the events of the first go into an SQS queue in this process. */
export function openQueueWorld(envelope: Envelope = (notification) => notification): () => Promise<World> {
  return () =>
    openWorld(async ({ stack }) => {
      const sqs: FauxqsServer = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
      stack.defer(() => sqs.stop());
      const { queueUrl } = sqs.createQueue("events", { attributes: { VisibilityTimeout: "2" } });
      const [a, b] = [await startStore(), await startStore()];
      for (const store of [a, b]) stack.defer(() => store.close());
      stack.defer(a.model.onEvent((record) => void sqs.sendMessage("events", envelope(JSON.stringify({ Records: [record] })))));
      return { a, b, events: { type: "sqs", queueUrl: reachable(queueUrl, sqs.port) }, wire: async () => {} };
    });
}

/** The URLs that fauxqs hands out name a host that is none. */
function reachable(queueUrl: string, port: number): string {
  return `http://127.0.0.1:${port}/${queueUrl.split("/").slice(3).join("/")}`;
}
