import { readS3Record } from "../../src/adapters/event-source/s3-record.ts";
import { EmbeddedTransfer } from "../../src/adapters/object-store/embedded/transfer.ts";
import type { GateLimits } from "../../src/domain/delete-gate.ts";
import { isReplicationError, ReplicationError } from "../../src/domain/error.ts";
import type { BucketEvent } from "../../src/domain/event.ts";
import type { Holding } from "../../src/domain/holding.ts";
import type { Rule } from "../../src/domain/rule.ts";
import type { NotificationRecord } from "../../src/embedded-s3/notification.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Outcome } from "../../src/ports/state.ts";
import { type MemorySnapshot, MemoryState } from "../../src/testing/memory-state.ts";
import { Chance } from "./chance.ts";
import { EngineProcess, isComparedItself, type ProcessParts } from "./engine.ts";
import { type FaultRates, Faults, type StepFault } from "./faults.ts";
import { describeOperation, type Operation } from "./operations.ts";
import { type Actor, Scheduler } from "./scheduler.ts";
import { steppedState } from "./stepped-state.ts";
import { SimulatedStore } from "./store.ts";
import { describeTopology, KEYS, type Member, type Topology } from "./topology.ts";
import { type ClientWrite, type EngineEffect, Witness } from "./witness.ts";

export interface WorldOptions {
  readonly seed: number | string;
  readonly topology: Topology;
  readonly operations: readonly Operation[];
  readonly rates: FaultRates;
  readonly processes: number;
  /** Names of faults that are left out. */
  readonly without?: ReadonlySet<string> | undefined;
  /** @defaultValue deletes pass */
  readonly deleteGate?: GateLimits | undefined;
  /** Puts a bug into the engine, to see that it is found. */
  readonly tamper?: ((parts: ProcessParts) => ProcessParts) | undefined;
  /** Also traces what the engine knows of interior buckets. */
  readonly holdings?: boolean | undefined;
  /** Steps take no time of their own, so that a script decides. */
  readonly brisk?: boolean | undefined;
}

/** A promise of the engine that was not kept, by its number in docs/spec/invariants.md. */
export interface Problem {
  readonly invariant: number;
  readonly text: string;
}

/** A step that a script holds up. */
export interface Held {
  /** Resolves when somebody waits here. */
  readonly reached: Promise<void>;
  release(): void;
}

interface Running {
  readonly actor: Actor;
  readonly engine: EngineProcess;
  /** Steps that have begun and not ended. */
  open: number;
}

interface Hold {
  readonly matches: (step: string) => boolean;
  readonly reached: () => void;
  readonly released: Promise<void>;
  used: boolean;
}

const START = Date.UTC(2026, 0, 1);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const SYNC_MS = HOUR;
/** Longer than any lease. */
const LONG_PAUSE_MS = 7 * HOUR;
/** After this an event that nobody acknowledged is given to somebody else. */
const VISIBILITY_MS = 30 * SECOND;
/** Nothing takes longer once nothing goes wrong any more. */
const PATIENCE_MS = 2 * 24 * HOUR;
const ROUNDS = 8;

/**
 * Stores, clients, events and any number of processes of the real engine, in virtual time. Nothing in it reads a clock, draws a number or waits
 * for anything but what follows from the seed, so that a run repeats exactly.
 */
export class World {
  readonly topology: Topology;
  readonly witness: Witness = new Witness();
  readonly problems: Problem[] = [];
  readonly trace: string[] = [];
  readonly faults: Faults;
  readonly scheduler: Scheduler = new Scheduler(START);
  readonly state: MemoryState;
  readonly stores: ReadonlyMap<string, SimulatedStore>;
  /** `member key` of changes that no process was told of. */
  readonly untold: Set<string> = new Set();
  /** `member key etag version` of replicas that a row was written about. */
  readonly recordedReplicas: Set<string> = new Set();
  /** `member key` of changes of tags that a process took in. */
  readonly toldTags: Set<string> = new Set();
  readonly #holdings = new Map<string, string>();
  readonly #toldWrites = new Set<number>();
  readonly #options: WorldOptions;
  readonly #chance: Chance;
  readonly #itself: Actor;
  readonly #running: (Running | undefined)[] = [];
  readonly #births: number[] = [];
  readonly #counts = new Map<string, number>();
  readonly #outages = new Map<string, number>();
  readonly #leases = new Map<string, string>();
  readonly #holds: Hold[] = [];
  #judge: ((effect: EngineEffect) => void) | undefined;
  #deliveries = 0;
  #acting: "client" | "nobody" | undefined;
  #written: ClientWrite | undefined;
  #kept: MemorySnapshot | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.topology = options.topology;
    this.#chance = new Chance(options.seed);
    this.#itself = this.scheduler.actor("world");
    this.faults = new Faults(this.#chance.of("faults"), options.rates, options.without ?? new Set());
    this.state = new MemoryState({ clock: this.scheduler.clockOf(this.#itself, () => 0) });
    this.stores = new Map(options.topology.members.map((member) => [member.bucket.id, this.#openStore(member)]));
  }

  /** Runs everything and returns what was wrong: what was seen on the way, and what is left when nothing changes any more. */
  async run(): Promise<void> {
    this.start();
    const last = this.#options.operations.at(-1)?.at ?? 0;
    await this.scheduler.runUntil(() => false, START + last + 2 * MINUTE);
    await this.settle();
  }

  start(): void {
    this.note(describeTopology(this.topology));
    for (let i = 0; i < this.#options.processes; i++) this.#startProcess(i);
    for (const operation of this.#options.operations) this.#schedule(operation);
  }

  note(text: string): void {
    this.trace.push(`${((this.scheduler.now - START) / SECOND).toFixed(3).padStart(10)}s  ${text}`);
  }

  problem(invariant: number, text: string): void {
    this.problems.push({ invariant, text });
    this.note(`!! invariant ${invariant}: ${text}`);
  }

  storeNamed(name: string): SimulatedStore {
    const found = [...this.stores.values()].find(({ member }) => member.name === name);
    if (found === undefined) throw new RangeError(`no member ${name}`);
    return found;
  }

  // ——— what happens to the world ———

  /** Does at once what an operation says. */
  apply(operation: Operation): void {
    this.note(`client: ${describeOperation(operation)}`);
    switch (operation.kind) {
      case "burst":
        for (const member of operation.members) this.#client(member, operation.key, "put");
        return;
      case "empty":
        for (const key of this.storeNamed(operation.member).keys()) this.#client(operation.member, key, "delete");
        return;
      case "recreate":
        this.#acting = "nobody";
        this.storeNamed(operation.member).recreate();
        this.#acting = undefined;
        this.witness.vanished(operation.member);
        return;
      case "outage":
        this.#outages.set(operation.member, this.scheduler.now + operation.forMs);
        return;
      case "lose-ledger":
        this.#loseLedger(() => this.state.lose());
        return;
      case "keep-ledger":
        this.#kept = this.state.snapshot();
        return;
      case "restore-ledger":
        this.#loseLedger(() => (this.#kept === undefined ? this.state.lose() : this.state.restore(this.#kept)));
        return;
      case "put":
      case "rewrite":
      case "delete":
      case "delete-version":
      case "tag":
        this.#client(operation.member, operation.key, operation.kind);
        return;
      default:
        operation satisfies never;
    }
  }

  #schedule(operation: Operation): void {
    this.scheduler.at(this.#itself, { at: START + operation.at, order: 0 }, () => this.apply(operation));
  }

  #client(name: string, key: string, kind: "put" | "rewrite" | "delete" | "delete-version" | "tag"): void {
    const store = this.storeNamed(name);
    const before = store.current(key);
    const fresh = `w${this.witness.writes.length}`;
    this.asClient(() => {
      if (kind === "tag" && before !== undefined) store.tag(key, `t${this.#count("tags")}`);
      else if (kind === "put") store.put(key, fresh);
      else if (kind === "rewrite") store.put(key, before?.content ?? fresh);
      else if (kind === "delete") store.delete(key);
      else if (kind === "delete-version") store.deleteVersion(key);
    });
  }

  /** Does something to a store as its clients do. */
  asClient(act: () => void): void {
    this.#acting = "client";
    try {
      act();
    } finally {
      this.#acting = undefined;
    }
  }

  #loseLedger(lose: () => void): void {
    for (const write of this.witness.writes) {
      if (write.content === null) write.excuse ??= "the ledger was lost";
      this.untold.add(`${write.member} ${write.key}`); // what was taken in and waited is lost too
    }
    for (const [index, running] of this.#running.entries()) if (running !== undefined) this.crash(index, SECOND);
    lose();
    this.#leases.clear();
  }

  // ——— stores and their events ———

  #openStore(member: Member): SimulatedStore {
    const store = new SimulatedStore(member, () => this.scheduler.now);
    store.onEvent((record) => this.#changed(store, record));
    return store;
  }

  #changed(store: SimulatedStore, record: NotificationRecord): void {
    if (this.#acting === "nobody") return;
    const reading = readS3Record({ ...record }, { keyEncoding: "url", plainPath: undefined });
    if (reading.kind === "malformed" || reading.kind === "ignored") return;
    const [key] = reading.keys;
    this.#written = undefined;
    if (reading.kind !== "attributes") this.#bearWitness(store, key);
    this.#announce(store, { ...reading, keys: [key] });
  }

  #bearWitness(store: SimulatedStore, key: string): void {
    const place = { member: store.member.name, key };
    const content = store.current(key)?.content ?? null;
    if (this.#acting === "client") {
      this.#written = this.witness.client(place, { content, isMarked: store.isMarked(key) });
      if (content === null && !this.#deletesTravel(store, key)) this.#written.excuse = "deletes like it are not replicated";
      this.note(`  ${place.member}/${key} is now ${content ?? "gone"}`);
      return;
    }
    this.#excuseRestored(place);
    const effect = this.witness.engine(place, content);
    this.note(`  engine: ${place.member}/${key} was ${effect.before ?? "absent"}, is now ${content ?? "gone"}`);
    this.#judge?.(effect);
  }

  /** Absence that no event and no marker explains yet is mended; whoever deleted is not heard then. */
  #excuseRestored({ member, key }: { readonly member: string; readonly key: string }): void {
    const last = this.witness.lastAt(member, key);
    if (last === undefined || last.content !== null || last.isMarked || this.witness.contentAt(member, key) !== null) return;
    if (!this.#toldWrites.has(last.id)) last.excuse ??= "mended before its event came";
  }

  #deletesTravel(store: SimulatedStore, key: string): boolean {
    const mode = this.topology.rules[0]?.deletes;
    return mode === "propagate" || (mode === "markers" && store.isMarked(key));
  }

  /** Has each change that the engine makes judged when it makes it. */
  onEffect(judge: (effect: EngineEffect) => void): void {
    this.#judge = judge;
  }

  // ——— events on their way ———

  #announce(store: SimulatedStore, event: BucketEvent): void {
    const { name } = store.member;
    const id = `event ${name} ${event.eventName} ${event.keys[0]}`;
    const nth = `${id}#${this.#count(id)}`;
    const fault = this.faults.ofEvent(nth);
    const delivery = { store, event, write: this.#written, id: nth };
    if (fault !== undefined) this.note(`  ${nth}: ${fault}`);
    if (fault === "lost") this.#lost(delivery);
    else this.#send(delivery, this.#travelTime(nth, fault));
    if (fault === "twice") this.#send(delivery, this.#travelTime(`${nth} again`, undefined) * 10);
  }

  #travelTime(id: string, fault: string | undefined): number {
    if (fault === "at-once") return 0;
    if (fault === "late") return this.#chance.whole(`${id} late`, [10 * SECOND, HOUR]);
    return this.#options.brisk === true ? 1 : this.#chance.whole(`${id} travels`, [1, 700]);
  }

  #send(delivery: Delivery, afterMs: number): void {
    this.#deliveries++;
    const at = this.scheduler.now + afterMs;
    this.scheduler.at(this.#itself, { at, order: this.#chance.draw(delivery.id) }, () => {
      this.#deliveries--;
      this.#hand(delivery);
    });
  }

  /** Gives an event to a process that is up; what is not acknowledged in time is given again, where the store's events are queued. */
  #hand(delivery: Delivery): void {
    const { store, event } = delivery;
    const up = this.#running.filter((running) => running !== undefined);
    const again = () => (store.member.events === "queued" ? this.#send(delivery, VISIBILITY_MS) : this.#lost(delivery));
    if (up.length === 0) {
      again();
      return;
    }
    const running = this.#chance.pick(`${delivery.id} to`, up);
    this.note(`  ${delivery.id} reaches ${running.actor.name}`);
    let open = true;
    const close = (then: () => void) => {
      if (open) then();
      open = false;
    };
    running.engine.accept(store.member.bucket.store, { events: [event], ignored: 0, malformed: [] }).then(
      () => close(() => this.#told(delivery)),
      () => close(again),
    );
    // A process that died holding it never answers.
    const watch = () => {
      if (!open) return;
      if (running.actor.alive) this.scheduler.at(this.#itself, { at: this.scheduler.now + VISIBILITY_MS, order: 0 }, watch);
      else close(again);
    };
    watch();
    this.scheduler.at(this.#itself, { at: this.scheduler.now + VISIBILITY_MS, order: 0 }, watch);
  }

  #told({ write, store, event }: Delivery): void {
    if (write !== undefined) this.#toldWrites.add(write.id);
    if (event.kind === "attributes") this.toldTags.add(`${store.member.name} ${event.keys[0]}`);
  }

  #lost({ store, event, write, id }: Delivery): void {
    if (write !== undefined && this.#toldWrites.has(write.id)) return;
    this.note(`  ${id} is lost`);
    this.untold.add(`${store.member.name} ${event.keys[0]}`);
    if (write?.content === null) write.excuse ??= "its event was lost";
  }

  // ——— processes ———

  #startProcess(index: number): void {
    const births = (this.#births[index] ?? 0) + 1;
    this.#births[index] = births;
    const name = births === 1 ? `p${index + 1}` : `p${index + 1}.${births}`;
    const actor = this.scheduler.actor(name);
    const running: Running = { actor, engine: this.#assemble(actor, index), open: 0 };
    this.#running[index] = running;
    this.note(`${name} starts`);
    running.engine.start();
  }

  #assemble(actor: Actor, index: number): EngineProcess {
    const stores = new Map(
      [...this.stores].map(([id, store]) => [
        id,
        store.through((label, { key = "" }) => this.#storeStep({ actor, index }, { store, label, key })),
      ]),
    );
    const storeOf = (bucket: { readonly id: string }) => stores.get(bucket.id)!;
    const order = this.#chance.of(`timers of ${actor.name}`);
    let timers = 0;
    const parts: ProcessParts = {
      rules: this.topology.rules,
      state: steppedState(this.state, {
        step: (label) => this.#stateStep({ actor, index }, label),
        later: (run) => void this.scheduler.at(actor, { at: this.scheduler.now, order: order.draw(`bell ${timers++}`) }, run),
        onClaimed: (task, lease) => void this.#leases.set(task, lease),
        onEffect: this.#options.holdings === true ? () => this.#noteHoldings() : undefined,
        onRecorded: (task, outcome) => this.#recorded(actor, task, outcome),
      }),
      storeOf,
      transfer: new EmbeddedTransfer({ storeOf }),
      clock: this.scheduler.clockOf(actor, () => order.draw(`timer ${timers++}`)),
      newId: this.#ids(actor.name),
      deleteGate: this.#options.deleteGate ?? { max: 1_000, percent: 100, windowMs: HOUR },
      random: this.#chance.stream(`random of ${actor.name}`),
      logger: this.#logger(actor.name),
      syncMs: index === 0 ? SYNC_MS : null,
      eventsAreQueued: (rule: Rule) => this.stores.get(rule.source.id)?.member.events === "queued",
    };
    return new EngineProcess(this.#options.tamper?.(parts) ?? parts);
  }

  #recorded(actor: Actor, task: string, { task: { lease, route, key }, entry }: Outcome): void {
    if (this.#leases.get(task) !== lease) this.problem(10, `${actor.name} recorded ${task} under a lease that had passed on`);
    const way = `${this.nameOf(route.source)}→${this.nameOf(route.destination)}/${key}`;
    this.note(`  ${actor.name} records ${way}: ${entry.operation} ${entry.status} ${entry.reason ?? ""}`);
    const { replica } = entry;
    if (replica !== null)
      this.recordedReplicas.add(`${this.nameOf(route.destination)} ${key} ${replica.destinationEtag} ${replica.destinationVersionId}`);
  }

  async #noteHoldings(): Promise<void> {
    for (const { bucket, name } of this.topology.members) {
      for (const key of KEYS) {
        const { holding, intents } = await this.state.holdings.known(bucket.id, key);
        const place = `${name}/${key}`;
        const text = `${holding === undefined ? "unknown" : describeHolding(holding)}${intents.map(({ id, expected }) => ` (${id} ${expected === null ? "deletes" : "writes"})`).join("")}`;
        if ((this.#holdings.get(place) ?? "unknown") !== text) this.note(`      known of ${place}: ${text}`);
        this.#holdings.set(place, text);
      }
    }
  }

  /** The name of the member with this canonical id. */
  nameOf(id: string): string {
    return this.stores.get(id)?.member.name ?? id;
  }

  #ids(name: string): () => string {
    let given = 0;
    return () => `${name}-${++given}`;
  }

  #logger(name: string): Logger {
    const say = (message: string, fields: object = {}) => this.note(`    ${name} says: ${message} ${JSON.stringify(fields).slice(0, 200)}`);
    return { debug: () => undefined, info: () => undefined, warn: say, error: say };
  }

  /** Kills a process: nothing of it goes on, and another takes its place after a while. */
  crash(index: number, backAfterMs: number): void {
    const running = this.#running[index];
    if (running === undefined) return;
    running.actor.alive = false;
    this.#running[index] = undefined;
    this.note(`${running.actor.name} dies`);
    this.scheduler.at(this.#itself, { at: this.scheduler.now + backAfterMs, order: 0 }, () => {
      if (this.#running[index] === undefined) this.#startProcess(index);
    });
  }

  // ——— steps ———

  /** Holds up the next step whose name matches until it is released. */
  hold(matches: (step: string) => boolean): Held {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#holds.push({ matches, reached: reached.resolve, released: released.promise, used: false });
    return { reached: reached.promise, release: released.resolve };
  }

  async #storeStep(who: Who, { store, label, key }: { store: SimulatedStore; label: string; key: string }): Promise<void> {
    const { name } = store.member;
    const [call, moment] = label.split(":");
    const before = moment === "before";
    const isWrite = !READS.has(call ?? "");
    const possible: readonly StepFault[] = before
      ? ["crash", "pause", "stall", "refused"]
      : isWrite
        ? ["crash", "pause", "stall", "lost-answer"]
        : ["crash", "pause"];
    const { fault, id } = await this.#step(who, `${name}.${label} ${key}`, possible);
    if (before && (this.#outages.get(name) ?? 0) > this.scheduler.now) throw new ReplicationError("StoreUnreachable", `${id}: no answer`);
    if (fault === "refused") throw this.faults.refusalOf(id, isWrite);
    if (fault === "lost-answer") throw new ReplicationError("RequestTimeout", `${id}: the answer was lost`);
  }

  async #stateStep(who: Who, label: string): Promise<void> {
    const before = label.endsWith(":before");
    const refusable = before && !NEVER_REFUSED.has(label);
    const { fault, id } = await this.#step(who, `state.${label}`, refusable ? ["crash", "pause", "refused"] : ["crash", "pause"]);
    if (fault === "refused") throw new ReplicationError("LedgerUnavailable", `${id}: the disk refuses`);
  }

  async #step({ actor, index }: Who, name: string, possible: readonly StepFault[]): Promise<{ fault: StepFault | undefined; id: string }> {
    const step = `${actor.name} ${name}`;
    const id = `${step}#${this.#count(step)}`;
    const running = this.#running[index];
    if (running?.actor !== actor) return never();
    running.open++;
    await this.#holdUp(step);
    await this.scheduler.wait(actor, this.#latency(id), this.#chance.draw(`${id} order`));
    const fault = this.faults.atStep(id, possible);
    if (fault !== undefined) this.note(`  ${id}: ${fault}`);
    if (fault === "crash") {
      this.crash(index, this.#chance.pick(`${id} back`, [SECOND, 30 * SECOND, 10 * MINUTE]));
      return never();
    }
    if (fault === "stall") await this.scheduler.wait(actor, this.#chance.pick(`${id} stalls`, [MINUTE, LONG_PAUSE_MS]), 0);
    if (fault === "pause") {
      actor.pausedUntil = this.scheduler.now + this.#chance.pick(`${id} pauses`, [MINUTE, LONG_PAUSE_MS]);
      await this.scheduler.wait(actor, 0, 0);
    }
    running.open--;
    return { fault, id };
  }

  async #holdUp(step: string): Promise<void> {
    const hold = this.#holds.find((candidate) => !candidate.used && candidate.matches(step));
    if (hold === undefined) return;
    hold.used = true;
    this.note(`  ${step} is held up`);
    hold.reached();
    await hold.released;
  }

  #latency(id: string): number {
    if (this.#options.brisk === true) return 0;
    const drawn = this.#chance.draw(`${id} takes`);
    if (drawn < 0.8) return Math.floor(drawn * 20);
    if (drawn < 0.97) return Math.floor((drawn - 0.8) * 4_000);
    return Math.floor((drawn - 0.97) * 300_000);
  }

  #count(name: string): number {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count;
  }

  // ——— the end ———

  /** Lets nothing go wrong any more, brings everybody up and waits until nothing changes. */
  async settle(): Promise<void> {
    this.note("from here nothing goes wrong");
    this.faults.active = false;
    this.#outages.clear();
    for (let i = 0; i < this.#options.processes; i++) if (this.#running[i] === undefined) this.#startProcess(i);
    if (!(await this.quiet())) return;
    for (let round = 1; round <= ROUNDS; round++) {
      const effects = this.witness.effects.length;
      for (const rule of this.topology.rules.filter(isComparedItself)) await this.#syncNow(rule);
      if (!(await this.quiet())) return;
      if (round > 1 && this.witness.effects.length === effects) return;
    }
    this.problem(5, `still changing after ${ROUNDS} comparisons`);
  }

  /** Waits until no event travels, no step is under way and no task waits; false where that does not come about. */
  async quiet(): Promise<boolean> {
    const limit = this.scheduler.now + PATIENCE_MS;
    for (let step = SECOND; ; step = Math.min(HOUR, step * 2)) {
      const still = () => this.#deliveries === 0 && this.#running.every((running) => (running?.open ?? 0) === 0);
      await this.scheduler.runUntil(still, limit);
      const pending = await this.state.tasks.pending();
      if (still() && pending.every(({ operations }) => operations === 0)) return true;
      if (this.scheduler.now >= limit) break;
      await this.scheduler.runUntil(() => false, this.scheduler.now + step);
    }
    const pending = await this.state.tasks.pending();
    this.problem(1, `tasks never end: ${JSON.stringify(pending)}`);
    return false;
  }

  /** Lets this much time pass. */
  async pass(ms: number): Promise<void> {
    await this.scheduler.runUntil(() => false, this.scheduler.now + ms);
  }

  /** Waits for a promise of the engine, or of a hold. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let ended = false;
    const end = promise.finally(() => {
      ended = true;
    });
    end.catch(() => undefined);
    if (!(await this.scheduler.runUntil(() => ended, this.scheduler.now + PATIENCE_MS))) throw new Error("waited in vain");
    return end;
  }

  async #syncNow(rule: Rule): Promise<void> {
    const running = this.#running.find((candidate) => candidate !== undefined);
    if (running === undefined) return;
    try {
      await this.until(running.engine.sync(rule));
    } catch (error) {
      if (!isReplicationError(error) || error.code !== "ListingOutOfOrder") throw error;
    }
  }
}

interface Who {
  readonly actor: Actor;
  readonly index: number;
}

interface Delivery {
  readonly store: SimulatedStore;
  readonly event: BucketEvent;
  readonly write: ClientWrite | undefined;
  readonly id: string;
}

/** A state that refuses these ends the process, in the way of an unhandled rejection. */
const NEVER_REFUSED: ReadonlySet<string> = new Set(["journal.syncProgress:before"]);

const READS: ReadonlySet<string> = new Set(["list", "head", "get", "tags", "listVersions", "describe"]);

function describeHolding({ object, content, isReplica, revision }: Holding): string {
  const history = Object.entries(content.history).map(([bucket, count]) => `${bucket.slice(5, 6)}${count}`);
  return `${object === null ? "deleted" : object.etag.slice(0, 6)} from ${content.origin.slice(5, 6)} {${history.join(" ")}}${isReplica ? " replica" : ""} r${revision}`;
}

/** What a process that has died waits for. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
