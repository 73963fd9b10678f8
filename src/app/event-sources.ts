import { type Environment, type ResolvedConfig, type ResolvedStore, settingsOf } from "../config/resolved-config.ts";
import type { EventSource } from "../ports/event-source.ts";
import type { Logger } from "../ports/logger.ts";
import { revealed } from "./credentials.ts";
import { type QueueAddress, queueAddress } from "./provisioning/queues.ts";

export interface EventSourcesOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly logger: Logger;
}

/** Makes what fetches events from queues, one for each queue that a rule's source names. Nothing is fetched before their start. */
export async function openEventSources({ config, env, logger }: EventSourcesOptions): Promise<readonly EventSource[]> {
  const queues = queuesOf(config, env);
  if (queues.size === 0) return [];
  const [{ createSqsEventSource }, { parseMessage }, { createCredentialProvider }] = await Promise.all([
    import("../adapters/event-source/sqs.ts"),
    import("../adapters/event-source/s3-notification.ts"),
    import("../adapters/credentials/credential-provider.ts"),
  ]);
  return [...queues.values()].map(({ store, ...address }) =>
    createSqsEventSource({
      ...address,
      store: store.alias,
      credentials: createCredentialProvider(revealed(store.credentials), env),
      logger,
      parse: (body) => parseMessage(body),
    }),
  );
}

interface Queue extends QueueAddress {
  readonly store: ResolvedStore;
}

function queuesOf(config: ResolvedConfig, env: Environment): ReadonlyMap<string, Queue> {
  const queues = new Map<string, Queue>();
  for (const rule of config.rules) {
    const events = settingsOf(config, rule).events;
    const place = config.buckets[rule.source.id];
    if (!rule.enabled || events.type !== "sqs" || place === undefined) continue;
    const address = queueAddress(config, { place, events }, env);
    const { store } = place;
    queues.set(`${store.alias} ${address.queueUrl ?? address.queueName}`, { store, ...address });
  }
  return queues;
}
