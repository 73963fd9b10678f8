import { randomBytes } from "node:crypto";
import { parseMessage } from "../../adapters/event-source/s3-notification.ts";
import type { SqsQueue } from "../../adapters/event-source/sqs-queue.ts";
import {
  type Environment,
  type EventsSetting,
  type ResolvedBucket,
  type ResolvedConfig,
  type ResolvedStore,
  settingsOf,
} from "../../config/resolved-config.ts";
import { Authenticator } from "../../control-plane/authenticator.ts";
import type { StatusDocument } from "../../control-plane/contract.ts";
import type { Handler, PushedMessage } from "../../control-plane/handler.ts";
import { isReplicationError, ReplicationError, toReplicationError } from "../../domain/error.ts";
import type { ParsedMessage } from "../../domain/event.ts";
import { RESERVED_PREFIX } from "../../domain/object.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { revealed } from "../credentials.ts";
import { type QueueAddress, type QueueEvents, queueAddress } from "../provisioning/queues.ts";
import type { Stores } from "../stores.ts";
import { systemClock } from "../system-clock.ts";
import { type Finding, finding } from "./doctor-findings.ts";

export interface EventProofOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  /** The status of the daemon that runs with this config; undefined where none does. */
  readonly askDaemon: () => Promise<StatusDocument | undefined>;
  /** Serves at the address of the config, where the stores send their events. */
  readonly serve: (handler: Handler) => Promise<{ close(graceMs: number): Promise<void> }>;
  readonly signal: AbortSignal;
  /** @defaultValue 30 s */
  readonly timeoutMs?: number | undefined;
}

/** Stores and queues are as quick as that on their worst days. */
const TIMEOUT_MS = 30_000;
const CHECK_MS = 200;

interface Source {
  readonly place: ResolvedBucket;
  readonly events: EventsSetting;
}

/** Writes a key at every source and waits until its event comes to where a daemon would take it in. Removes the keys again. */
export async function proveEvents(stores: Stores, options: EventProofOptions): Promise<readonly Finding[]> {
  const sources = sourcesOf(options.config);
  const isPushed = sources.some(({ events }) => events.type === "webhook");
  const isDaemonThere = (await options.askDaemon()) !== undefined;
  const door = isPushed && !isDaemonThere ? new Door(options.config) : undefined;
  const server = door && (await options.serve(door));
  try {
    const findings: Finding[] = [];
    // One after the other: where a daemon counts them, two at once would be taken for each other.
    for (const source of sources) findings.push(await prove(stores, source, { ...options, isDaemonThere, door }));
    return findings;
  } finally {
    await server?.close(0);
  }
}

function sourcesOf(config: ResolvedConfig): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const rule of config.rules) {
    const place = config.buckets[rule.source.id];
    if (rule.enabled && place !== undefined) sources.set(rule.source.id, { place, events: settingsOf(config, rule).events });
  }
  return [...sources.values()];
}

interface Proving extends EventProofOptions {
  readonly isDaemonThere: boolean;
  readonly door: Door | undefined;
}

async function prove(stores: Stores, source: Source, proving: Proving): Promise<Finding> {
  const { bucket } = source.place;
  const { events } = source;
  const tell = (level: Finding["level"], code: string, text: { readonly message: string; readonly hint?: string | undefined }) =>
    finding(level, code, { bucket: bucket.name, ...text });
  if (events.type === "poll")
    return tell("ok", "EventsPolled", { message: `is compared every ${events.everyMs / 1000} s; it needs no events` });
  if (events.type === "none")
    return tell("warning", "NoEvents", { message: "sends no events: changes are found by the scheduled sync alone", hint: "set events" });
  try {
    if ((await stores.storeOf(bucket).describe(proving.signal)).objectLock)
      return tell("warning", "EventsNotProven", { message: "has object lock: no key was written to prove the way of its events" });
    const delayMs = await inTime(stores.storeOf(bucket), watcherOf(source, proving), proving);
    if (delayMs !== undefined) return tell("ok", "EventArrived", { message: `an event came by ${events.type} after ${delayMs} ms` });
    return tell("error", "NoEventArrived", { message: `no event came by ${events.type}`, hint: HINTS[events.type] });
  } catch (error) {
    if (proving.signal.aborted) throw error;
    const { code, message, hint } = toReplicationError(error);
    return tell("error", code, { message: `the way of its events cannot be proven: ${message}`, hint });
  }
}

const HINTS = {
  webhook: "check the store's notification target, the bucket's notifications (replicast apply sets them) and listen.tokens",
  sqs: "check the bucket's notifications (replicast apply sets them) and the queue's policy, which must let S3 send",
} as const;

/** Something that sees events arrive. */
interface Watcher {
  /** Takes notice of how things are before the key is written. */
  begin(): Promise<void>;
  hasSeen(bucket: string, key: string): Promise<boolean>;
  end(): Promise<void>;
}

function watcherOf({ place, events }: Source, { isDaemonThere, door, askDaemon, config, env, signal }: Proving): Watcher {
  if (isDaemonThere) return new DaemonWatcher(place.store.alias, askDaemon);
  if (door !== undefined && events.type === "webhook") return door.watcher(place.store.alias);
  return new QueueWatcher(place.store, queueAddress(config, { place, events: events as QueueEvents }, env), { env, signal });
}

/** How long the event took; undefined where none came in time. */
async function inTime(store: ObjectStore, watcher: Watcher, { timeoutMs = TIMEOUT_MS, signal }: Proving): Promise<number | undefined> {
  const key = `${RESERVED_PREFIX}doctor-${randomBytes(6).toString("hex")}`;
  const { versioning } = await store.describe(signal);
  await watcher.begin();
  try {
    const { versionId } = await store.put(key, Buffer.from("replicast doctor"), { signal });
    const writtenAt = systemClock.now();
    try {
      while (systemClock.now() - writtenAt < timeoutMs && !signal.aborted) {
        if (await watcher.hasSeen(store.bucket.bucket, key)) return systemClock.now() - writtenAt;
        await systemClock.sleep(CHECK_MS, signal);
      }
      return undefined;
    } finally {
      await store.delete(key, versioning === "Unversioned" ? {} : { versionId: versionId ?? "null" });
    }
  } finally {
    await watcher.end();
  }
}

/** Sees the daemon's count of a store's messages grow. */
class DaemonWatcher implements Watcher {
  readonly #store: string;
  readonly #ask: EventProofOptions["askDaemon"];
  #before = 0;

  constructor(store: string, ask: EventProofOptions["askDaemon"]) {
    this.#store = store;
    this.#ask = ask;
  }

  async begin(): Promise<void> {
    this.#before = await this.#received();
  }

  async hasSeen(): Promise<boolean> {
    return (await this.#received()) > this.#before;
  }

  async end(): Promise<void> {}

  async #received(): Promise<number> {
    return (await this.#ask())?.intake.find(({ store }) => store === this.#store)?.received ?? 0;
  }
}

/** Stands where the daemon's webhook would. What is not about our keys is refused, so that its sender keeps it for the daemon. */
class Door implements Handler {
  readonly #seen = new Set<string>();
  readonly #authenticator: Authenticator;

  constructor({ listen }: ResolvedConfig) {
    this.#authenticator = new Authenticator(listen.tokens.map(({ token, scope }) => ({ token: token.reveal(), scope })));
  }

  async fetch(): Promise<Response> {
    return new Response(null, { status: 200 }); // stores look whether somebody is there before they send
  }

  async receive({ store, authorization, body }: PushedMessage): Promise<Response | undefined> {
    if (this.#authenticator.check(authorization, "events") !== "allowed") return new Response(null, { status: 401 });
    const message = body === undefined ? undefined : understood(body);
    if (message === undefined || !isOfOurs(message)) return new Response(null, { status: 503 });
    for (const { bucket, keys } of message.events) for (const key of keys) this.#seen.add(`${store} ${bucket} ${key}`);
    return undefined;
  }

  watcher(store: string): Watcher {
    const nothing = async () => {};
    return { begin: nothing, end: nothing, hasSeen: async (bucket, key) => this.#seen.has(`${store} ${bucket} ${key}`) };
  }
}

/** Undefined where nobody understands it. */
function understood(body: Uint8Array | string): ParsedMessage | undefined {
  try {
    return parseMessage(body);
  } catch (error) {
    if (isReplicationError(error) && error.code === "MalformedEvent") return undefined;
    throw error;
  }
}

/** A key that can be read in two ways is ours where one of them is. */
function isOfOurs({ events, malformed }: ParsedMessage): boolean {
  return malformed.length === 0 && events.every(({ keys }) => keys.some((key) => key.startsWith(RESERVED_PREFIX)));
}

/** Looks into the queue; what is not about our keys goes back at once. */
class QueueWatcher implements Watcher {
  readonly #store: ResolvedStore;
  readonly #address: QueueAddress;
  readonly #around: { readonly env: Environment; readonly signal: AbortSignal };
  readonly #seen = new Set<string>();
  #queue: SqsQueue | undefined;

  constructor(store: ResolvedStore, address: QueueAddress, around: { readonly env: Environment; readonly signal: AbortSignal }) {
    this.#store = store;
    this.#address = address;
    this.#around = around;
  }

  /** Nothing is written where there is no queue. */
  async begin(): Promise<void> {
    const [{ openQueue, toQueueProblem }, { createCredentialProvider }] = await Promise.all([
      import("../../adapters/event-source/sqs-queue.ts"),
      import("../../adapters/credentials/credential-provider.ts"),
    ]);
    const { env, signal } = this.#around;
    const queue = await openQueue({ ...this.#address, credentials: createCredentialProvider(revealed(this.#store.credentials), env) });
    try {
      await queue.url(signal);
    } catch (cause) {
      queue.close();
      const { code, message, hint } = toQueueProblem(cause);
      throw new ReplicationError("InvalidRequest", `${code}: ${message}`, { hint, cause });
    }
    this.#queue = queue;
  }

  async hasSeen(bucket: string, key: string): Promise<boolean> {
    const queue = this.#queue;
    if (queue === undefined) return false;
    const messages = await queue.receive(this.#around.signal);
    const isOurs = (body: string) => {
      const message = understood(body);
      return message !== undefined && message.events.length > 0 && isOfOurs(message);
    };
    const ours = messages.filter(({ body }) => isOurs(body));
    for (const { body } of ours)
      for (const event of understood(body)?.events ?? []) for (const name of event.keys) this.#seen.add(`${event.bucket} ${name}`);
    await queue.delete(ours);
    await queue.postpone(messages.filter((message) => !ours.includes(message)).map((message) => ({ message, seconds: 0 })));
    return this.#seen.has(`${bucket} ${key}`);
  }

  async end(): Promise<void> {
    this.#queue?.close();
  }
}
