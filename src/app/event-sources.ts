import { type Environment, type ResolvedConfig, type ResolvedStore, settingsOf } from "../config/resolved-config.ts";
import type { EventSource } from "../ports/event-source.ts";
import type { Logger } from "../ports/logger.ts";
import { revealed } from "./credentials.ts";

export interface EventSourcesOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly logger: Logger;
}

/** Makes what fetches events from queues, one for each queue that a rule's source names. Nothing is fetched before their start. */
export async function openEventSources({ config, env, logger }: EventSourcesOptions): Promise<readonly EventSource[]> {
  const queues = queuesOf(config);
  if (queues.size === 0) return [];
  const [{ createSqsEventSource }, { parseMessage }, { createCredentialProvider }] = await Promise.all([
    import("../adapters/event-source/sqs.ts"),
    import("../adapters/event-source/s3-notification.ts"),
    import("../adapters/credentials/credential-provider.ts"),
  ]);
  return [...queues.values()].map(({ store, queueUrl, region }) =>
    createSqsEventSource({
      store: store.alias,
      queueUrl,
      region,
      credentials: createCredentialProvider(revealed(store.credentials), env),
      logger,
      parse: (body) => parseMessage(body),
    }),
  );
}

interface Queue {
  readonly store: ResolvedStore;
  readonly queueUrl: string;
  readonly region: string;
}

function queuesOf(config: ResolvedConfig): ReadonlyMap<string, Queue> {
  const queues = new Map<string, Queue>();
  for (const rule of config.rules) {
    const events = settingsOf(config, rule).events;
    const store = config.buckets[rule.source.id]?.store;
    if (!rule.enabled || events.type !== "sqs" || store === undefined) continue;
    queues.set(`${store.alias} ${events.queueUrl}`, { store, queueUrl: events.queueUrl, region: events.region ?? store.region });
  }
  return queues;
}
