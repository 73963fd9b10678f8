import type { CredentialProvider } from "../../adapters/credentials/credential-provider.ts";
import type { Environment, EventsSetting, ResolvedBucket, ResolvedConfig, ResolvedStore } from "../../config/resolved-config.ts";
import type { QueueConfiguration } from "../../ports/queue-configuration.ts";
import { queueNameOf } from "../../provisioning/events/queue-names.ts";
import { type CredentialsOf, endpointOf } from "../native/ports.ts";

export type QueueEvents = EventsSetting & { readonly type: "sqs" };

/** Where the queue with the events of a source is: the one that was named, or the one that `apply` makes. */
export interface QueueAddress {
  readonly queueUrl?: string | undefined;
  /** Where there is no URL. */
  readonly queueName?: string | undefined;
  readonly region: string;
  /** Undefined: AWS, or where the URL points. */
  readonly endpoint?: string | undefined;
}

/** A bucket whose events go to a queue. */
export interface QueuedBucket {
  readonly place: ResolvedBucket;
  readonly events: QueueEvents;
}

export function queueAddress({ name }: Pick<ResolvedConfig, "name">, { place, events }: QueuedBucket, env: Environment): QueueAddress {
  const region = events.region ?? place.store.region;
  if (events.queueUrl !== undefined) return { queueUrl: events.queueUrl, region };
  return { queueName: queueNameOf(name, place.bucket), region, endpoint: queueEndpoint(place.store, env) };
}

/** Clients that set queues up, one for each store and region. Each is opened where it is first asked for. */
export class QueuePorts {
  readonly #env: Environment;
  readonly #credentialsOf: CredentialsOf;
  readonly #opened = new Map<string, Promise<QueueConfiguration>>();

  constructor(env: Environment, credentialsOf: CredentialsOf) {
    this.#env = env;
    this.#credentialsOf = credentialsOf;
  }

  /** Of the store's own queues, or of the place where a queue's URL points. */
  at(store: ResolvedStore, region: string, queueUrl?: string): Promise<QueueConfiguration> {
    const endpoint = endpointOf(this.#env, "SQS") ?? (queueUrl === undefined ? queueEndpoint(store, this.#env) : new URL(queueUrl).origin);
    const id = `${store.alias} ${region} ${endpoint ?? ""}`;
    const known = this.#opened.get(id) ?? open({ endpoint, region, caFile: store.tls.caFile }, this.#credentialsOf(store));
    this.#opened.set(id, known);
    return known;
  }

  async close(): Promise<void> {
    for (const queues of await Promise.allSettled(this.#opened.values())) if (queues.status === "fulfilled") queues.value.close();
  }
}

/** A store that is not AWS can have queues only where it answers itself, as emulators do. */
function queueEndpoint({ isAws, endpoint }: ResolvedStore, env: Environment): string | undefined {
  return endpointOf(env, "SQS") ?? (isAws ? undefined : endpoint);
}

interface Client {
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly caFile: string | undefined;
}

async function open(client: Client, credentials: Promise<CredentialProvider>): Promise<QueueConfiguration> {
  const { openQueueConfiguration } = await import("../../adapters/queue-configuration/sqs.ts");
  return openQueueConfiguration({ ...client, credentials: await credentials });
}
