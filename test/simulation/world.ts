import { readS3Record } from "../../src/adapters/event-source/s3-record.ts";
import { EmbeddedTransfer } from "../../src/adapters/object-store/embedded/transfer.ts";
import { RESTORE_AFTER_MS } from "../../src/data-plane/interior/findings.ts";
import type { GateLimits } from "../../src/domain/delete-gate.ts";
import { isReplicationError } from "../../src/domain/error.ts";
import type { Rule } from "../../src/domain/rule.ts";
import type { NotificationRecord } from "../../src/embedded-s3/notification.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Outcome } from "../../src/ports/state.ts";
import { type MemorySnapshot, MemoryState } from "../../src/testing/memory-state.ts";
import { Chance } from "./chance.ts";
import { EngineProcess, isComparedItself, type ProcessParts, rebuildLedger } from "./engine.ts";
import { type FaultRates, Faults, RATES } from "./faults.ts";
import { FencedWrites } from "./fenced-writes.ts";
import { HoldingsTrace } from "./holdings-trace.ts";
import { type ClientAct, describeOperation, type Operation } from "./operations.ts";
import { type Delivery, Post, type Receiver } from "./post.ts";
import { type Actor, Scheduler } from "./scheduler.ts";
import { steppedState } from "./stepped-state.ts";
import { type Held, type Stepper, Steps } from "./steps.ts";
import { SimulatedStore } from "./store.ts";
import { HOUR, MINUTE, SECOND } from "./times.ts";
import { describeTopology, KEYS, type Member, type Target, type Topology } from "./topology.ts";
import { clientKey, keysOf } from "./twists.ts";
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
  /** Whether all deletes that are held in the end are approved. */
  readonly isApproved?: boolean | undefined;
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

interface Running extends Receiver, Stepper {}

/** Why a delete may have been forgotten. */
export const LEDGER_LOST = "the ledger was lost";
const START = Date.UTC(2026, 0, 1);
const SYNC_MS = HOUR;
/** Real time, which says nothing of the time here: a machine that is busy must change nothing. */
AbortSignal.timeout = () => new AbortController().signal;
/** Nothing takes longer once nothing goes wrong any more. */
const PATIENCE_MS = 2 * 24 * HOUR;
/** Out of step with the hourly comparisons. */
const LOOK_MS: number = 17 * MINUTE;
/** So close together times do not tell which came first: LastModified is in whole seconds, and the machines of a store may be one apart. */
const HASTY_MS: number = 2 * SECOND;
/** A write that was announced is made within this, as long as nobody stalls. */
const UNDER_WAY_MS: number = 30 * SECOND;
const LONG_AGO_MS: number = 2 * MINUTE;
const ROUNDS = 8;
const ATTRIBUTE_PASSES = 4;

/**
 * Stores, clients, events and any number of processes of the real engine, in virtual time. Nothing in it reads a clock, draws a number or waits
 * for anything but what follows from the seed, so that a run repeats exactly.
 */
export class World {
  readonly topology: Topology;
  /** All that objects may come to be under. */
  readonly keys: readonly string[];
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
  /** `member key` where the last change of the engine was that of a worker which had lost its lease. */
  readonly fencedWrites: Set<string> = new Set();
  /** `member key` where a client had removed something last when the bucket was made anew: the absence looks like that removal. */
  readonly vanishedRemovals: Set<string> = new Set();
  /** `member key` of what was written within {@link HASTY_MS} of a removal, and went with its bucket: the delete may be of either. */
  readonly hastyLosses: Set<string> = new Set();
  /** Names of members whose buckets were made anew. */
  readonly recreated: Set<string> = new Set();
  /** `member key` where a client removed a single version. */
  readonly tookVersions: Set<string> = new Set();
  /** By `member key` of a replica whose delete a person rejected: how many writes clients had made by then. */
  readonly rejected: Map<string, number> = new Map();
  readonly #removals = new Set<string>();
  readonly #removedAt = new Map<string, number>();
  readonly #hasty = new Set<string>();
  /** When their events were taken in. */
  readonly #toldWrites = new Map<number, number>();
  /** `member key` of what a lost ledger knew. */
  readonly #forgotten = new Set<string>();
  readonly #options: WorldOptions;
  readonly #chance: Chance;
  readonly #itself: Actor;
  readonly #running: (Running | undefined)[] = [];
  /** Puts the ledger together; nobody else is up meanwhile. */
  #rebuilding: Stepper | undefined;
  readonly #births: number[] = [];
  readonly #outages = new Map<string, number>();
  readonly #fenced = new FencedWrites();
  readonly #post: Post;
  readonly #steps: Steps;
  readonly #holdings: HoldingsTrace | undefined;
  #judge: ((effect: EngineEffect) => void) | undefined;
  /** How often each kind of thing happened so far. */
  readonly #counts = new Map<string, number>();
  #acting: "client" | "nobody" | undefined;
  #written: ClientWrite | undefined;
  /** Whether what the client does takes a version away. */
  #tookVersion = false;
  #isLifecycle = false;
  #kept: MemorySnapshot | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.topology = options.topology;
    this.keys = keysOf(options.topology, KEYS);
    this.#chance = new Chance(options.seed);
    this.#itself = this.scheduler.actor("world");
    this.faults = new Faults(this.#chance.of("faults"), options.rates, options.without ?? new Set());
    this.state = new MemoryState({ clock: this.scheduler.clockOf(this.#itself, () => 0) });
    const { brisk = false } = options;
    const common = { scheduler: this.scheduler, chance: this.#chance, faults: this.faults, brisk, note: (text: string) => this.note(text) };
    this.#steps = new Steps({ ...common, isOut: (member) => (this.#outages.get(member) ?? 0) > this.scheduler.now });
    this.#post = new Post({
      ...common,
      actor: this.#itself,
      receivers: () => this.#running.filter((running) => running !== undefined),
      onTold: (delivery) => this.#told(delivery),
      onLost: (delivery) => this.#lost(delivery),
    });
    if (options.holdings === true) this.#holdings = new HoldingsTrace(this.state.holdings, options.topology);
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
        this.recreated.add(operation.member);
        for (const place of this.#hasty) if (place.startsWith(`${operation.member} `)) this.hastyLosses.add(place);
        for (const place of this.#removals) if (place.startsWith(`${operation.member} `)) this.vanishedRemovals.add(place);
        for (const key of this.keys) this.untold.add(`${operation.member} ${key}`);
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
      case "approve":
      case "reject":
        void this.#decideHeld(operation.kind);
        return;
      case "redrive":
        void this.#redrive(operation.scope);
        return;
      case "rebuild-ledger":
        this.#rebuild();
        return;
      case "put":
      case "rewrite":
      case "delete":
      case "expire":
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

  #client(name: string, key: string, kind: ClientAct): void {
    const store = this.storeNamed(name);
    const before = store.current(key);
    const fresh = `w${this.witness.writes.length}`;
    this.#tookVersion = kind === "delete-version";
    this.#isLifecycle = kind === "expire";
    if (this.#tookVersion) this.tookVersions.add(`${name} ${key}`);
    if (kind !== "tag") this.#noteRemoval(`${name} ${key}`, kind === "delete" || kind === "expire" || kind === "delete-version");
    this.asClient(() => {
      if (kind === "tag" && before !== undefined) store.tag(key, `t${this.#count("tags")}`);
      else if (kind === "put") store.put(key, fresh);
      else if (kind === "rewrite") store.put(key, before?.content ?? fresh);
      else if (kind === "delete") store.delete(key);
      else if (kind === "expire") store.expire(key);
      else if (kind === "delete-version") store.deleteVersion(key);
    });
  }

  #noteRemoval(place: string, removes: boolean): void {
    const { now } = this.scheduler;
    if (removes) {
      this.#removals.add(place);
      this.#removedAt.set(place, now);
      return;
    }
    this.#removals.delete(place);
    if (now - (this.#removedAt.get(place) ?? Number.NEGATIVE_INFINITY) < HASTY_MS) this.#hasty.add(place);
    else this.#hasty.delete(place);
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

  /** A person speaks to a process that is up, if any is. */
  async #decideHeld(word: "approve" | "reject"): Promise<number> {
    const running = this.#running.find((candidate) => candidate !== undefined);
    if (running === undefined) return 0;
    try {
      if (word === "approve") await this.#forgetRejections();
      const changed = await running.engine.decideHeld(word);
      this.note(`  a person's ${word} changes ${changed} rows`);
      return changed;
    } catch (error) {
      this.note(`  a person's ${word} fails: ${String(error)}`);
      return 0;
    } finally {
      if (word === "reject") await this.#noteRejected();
    }
  }

  async #redrive(which: "one" | "rule" | "all"): Promise<void> {
    const running = this.#running.find((candidate) => candidate !== undefined);
    if (running === undefined) return;
    try {
      this.note(`  ${await running.engine.redrive(which)} failures are tried again`);
    } catch (error) {
      this.note(`  a person's redrive fails: ${String(error)}`);
    }
  }

  /** Stops everybody, and has the ledger put together by a process that is alone with it. */
  #rebuild(): void {
    if (this.#rebuilding !== undefined) return;
    for (const [index, running] of this.#running.entries()) if (running !== undefined) this.crash(index, SECOND);
    this.#freeLeases();
    this.#forgetInteriors();
    const actor = this.scheduler.actor(`rebuild${this.#count("rebuilds")}`);
    const stepper: Stepper = {
      actor,
      open: 0,
      crash: () => {
        actor.alive = false;
        this.#endRebuild(stepper, "dies");
      },
    };
    this.#rebuilding = stepper;
    this.note(`${actor.name} starts`);
    void rebuildLedger(this.#partsOf(stepper, null)).then(
      () => this.#endRebuild(stepper, "is done"),
      (error: unknown) => this.#endRebuild(stepper, `fails: ${String(error)}`),
    );
  }

  /** Kills who puts the ledger together. */
  endRebuild(): void {
    this.#rebuilding?.crash(SECOND);
  }

  #endRebuild(stepper: Stepper, how: string): void {
    this.note(`${stepper.actor.name} ${how}`);
    stepper.actor.alive = false;
    this.#freeLeases();
    if (this.#rebuilding === stepper) this.#rebuilding = undefined;
  }

  /** Of processes that are dead: with the state in a file, nobody else's. */
  #freeLeases(): void {
    this.state.restore(this.state.snapshot());
    this.#fenced.lost();
  }

  /** What was known of buckets with several writers is learnt anew, and what was deleted there is not known any more. */
  #forgetInteriors(): void {
    const targets = new Set(this.topology.rules.flatMap(({ destinations }) => destinations.map(({ bucket }) => bucket.id)));
    for (const member of this.topology.members.filter((one) => this.#isSource(one) && targets.has(one.bucket.id))) {
      for (const key of this.keys) this.#forget(`${member.name} ${key}`);
      // An older version that a client brought back bears the stamp of then: without a ledger it is an old replica, the stated gap.
      const isForgotten = ({ content, key }: ClientWrite) => content === null || this.tookVersions.has(`${member.name} ${key}`);
      for (const write of this.witness.writes) if (write.member === member.name && isForgotten(write)) write.excuse ??= LEDGER_LOST;
    }
  }

  /** What is held anew, since its delete was told anew, may be approved. */
  async #forgetRejections(): Promise<void> {
    const { entries } = await this.state.ledger.list({ status: "HELD", limit: 1_000 });
    for (const { destination, key } of entries) {
      const { name, prefix } = this.targetOf(destination);
      this.rejected.delete(`${name} ${prefix}${key}`);
    }
  }

  async #noteRejected(): Promise<void> {
    const { entries } = await this.state.ledger.list({ status: "SKIPPED", limit: 1_000 });
    for (const { reason, destination, key } of entries) {
      if (reason !== "DeleteRejected") continue;
      const { name, prefix } = this.targetOf(destination);
      this.rejected.set(`${name} ${prefix}${key}`, this.witness.writes.length);
      for (const write of this.witness.writes)
        if (write.content === null && clientKey(write.key) === clientKey(key)) write.excuse ??= "a person rejected it";
    }
  }

  /** What was known, and what was taken in and waited. */
  #forget(place: string): void {
    this.#forgotten.add(place);
    this.untold.add(place);
  }

  #loseLedger(lose: () => void): void {
    this.rejected.clear();
    for (const { name } of this.topology.members) for (const key of this.keys) this.#forget(`${name} ${key}`);
    for (const write of this.witness.writes) {
      if (write.content === null) write.excuse ??= LEDGER_LOST;
    }
    for (const [index, running] of this.#running.entries()) if (running !== undefined) this.crash(index, SECOND);
    this.#rebuilding?.crash(SECOND);
    lose();
    // Its buckets tell whoever starts next; here, where somebody listens to that.
    if (this.#options.operations.some(({ kind }) => kind === "rebuild-ledger"))
      void this.state.journal.saveEpoch({ epoch: "simulated", generation: 1, distrust: "lost" });
    this.witness.forgotten();
    this.recordedReplicas.clear(); // what is not in the rows any more is not ours to delete
    this.#fenced.lost();
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
    if (reading.kind === "malformed" || reading.kind === "ignored" || reading.kind === "replication") return;
    const [key] = reading.keys;
    this.#written = undefined;
    if (reading.kind !== "attributes") this.#bearWitness(store, key);
    const id = `event ${store.member.name} ${reading.eventName} ${key}`;
    const event = { ...reading, keys: [key] } as const;
    this.#post.announce({ member: store.member, event, write: this.#written, id: `${id}#${this.#count(id)}` });
  }

  #bearWitness(store: SimulatedStore, key: string): void {
    const place = { member: store.member.name, key };
    const content = store.current(key)?.content ?? null;
    if (this.#acting === "client") {
      // On a versioned bucket the version below tells what was written over, unless it was taken away.
      if (this.#tookVersion) this.witness.tookAway(place);
      else if (store.member.versioning === "Enabled" && content !== null) this.witness.learnt(place);
      const left = { at: this.scheduler.now, content, isMarked: store.isMarked(key), etag: store.current(key)?.etag ?? null };
      this.#written = this.witness.client(place, { ...left, isExpiration: content === null && this.#isLifecycle });
      if (content === null && !this.#deletesTravel(store, this.#written)) this.#written.excuse = "deletes like it are not replicated";
      if (content === null && this.#forgotten.has(`${place.member} ${key}`)) this.#written.excuse ??= LEDGER_LOST;
      this.note(`  ${place.member}/${key} is now ${content ?? "gone"}`);
      if (!this.#isSource(store.member)) this.untold.add(`${place.member} ${key}`);
      return;
    }
    this.#excuseRestored(place);
    if (this.#fenced.mayBeFenced(store.member.bucket.id, key)) this.fencedWrites.add(`${place.member} ${key}`);
    else this.fencedWrites.delete(`${place.member} ${key}`);
    const effect = this.witness.engine(place, { content, etag: store.current(key)?.etag ?? null });
    this.note(`  engine: ${place.member}/${key} was ${effect.before ?? "absent"}, is now ${content ?? "gone"}`);
    this.#judge?.(effect);
  }

  /** Absence that no event and no marker explains yet is mended; whoever deleted is not heard then. */
  #excuseRestored({ member, key }: { readonly member: string; readonly key: string }): void {
    const last = this.witness.lastAt(member, key);
    if (last === undefined || last.content !== null || last.isMarked || this.witness.contentAt(member, key) !== null) return;
    const toldAt = this.#toldWrites.get(last.id);
    // Where it came very late, what mends it may be under way already.
    const isLate = toldAt !== undefined && toldAt - last.at > RESTORE_AFTER_MS && this.scheduler.now - toldAt < UNDER_WAY_MS;
    if (toldAt === undefined || isLate) last.excuse ??= "mended before its event came";
  }

  /** Whether anybody listens to its events. */
  #isSource({ bucket }: Member): boolean {
    return this.topology.rules.some(({ source }) => source.id === bucket.id);
  }

  #deletesTravel(store: SimulatedStore, { key, isExpiration }: ClientWrite): boolean {
    const mode = this.topology.rules[0]?.deletes;
    if (this.topology.rules[0]?.versions === "all" && !store.isMarked(key)) return false;
    if (isExpiration && this.topology.rules[0]?.expirations !== true) return false;
    return mode === "propagate" || (mode === "markers" && store.isMarked(key));
  }

  /** Has each change that the engine makes judged when it makes it. */
  onEffect(judge: (effect: EngineEffect) => void): void {
    this.#judge = judge;
  }

  #told({ write, member, event }: Delivery): void {
    if (write !== undefined) this.#toldWrites.set(write.id, this.#toldWrites.get(write.id) ?? this.scheduler.now);
    if (event.kind === "deleted" && write !== undefined)
      for (const place of this.rejected.keys()) if (place.endsWith(clientKey(event.keys[0]))) this.rejected.delete(place);
    if (event.kind === "attributes") this.toldTags.add(`${member.name} ${event.keys[0]}`);
  }

  #lost({ member, event, write }: Delivery): void {
    if (write !== undefined && this.#toldWrites.has(write.id)) return;
    this.untold.add(`${member.name} ${event.keys[0]}`);
    if (write?.content === null) write.excuse ??= "its event was lost";
  }

  // ——— processes ———

  #startProcess(index: number): void {
    if (this.#rebuilding !== undefined) {
      this.#startLater(index, SECOND);
      return;
    }
    const births = (this.#births[index] ?? 0) + 1;
    this.#births[index] = births;
    const name = births === 1 ? `p${index + 1}` : `p${index + 1}.${births}`;
    const actor = this.scheduler.actor(name);
    const stepper: Stepper = { actor, open: 0, crash: (backAfterMs) => this.crash(index, backAfterMs) };
    const running: Running = Object.assign(stepper, { engine: this.#assemble(stepper, index === 0 ? SYNC_MS : null) });
    this.#running[index] = running;
    this.note(`${name} starts`);
    running.engine.start();
  }

  #assemble(stepper: Stepper, syncMs: number | null): EngineProcess {
    return new EngineProcess(this.#partsOf(stepper, syncMs));
  }

  #partsOf(stepper: Stepper, syncMs: number | null): ProcessParts {
    const { actor } = stepper;
    const stores = new Map(
      [...this.stores].map(([id, store]) => [
        id,
        store.through((label, { key = "" }) => this.#steps.atStore(stepper, { member: store.member.name, label, key })),
      ]),
    );
    const storeOf = (bucket: { readonly id: string }) => stores.get(bucket.id)!;
    const order = this.#chance.of(`timers of ${actor.name}`);
    let timers = 0;
    const parts: ProcessParts = {
      rules: this.topology.rules,
      state: steppedState(this.state, {
        step: (label) => this.#steps.atState(stepper, label),
        later: (run) => void this.scheduler.at(actor, { at: this.scheduler.now, order: order.draw(`bell ${timers++}`) }, run),
        onClaimed: (task) => this.#fenced.claimed(task),
        onEffect: this.#holdings === undefined ? undefined : () => this.#noteHoldings(),
        onKnown: ({ bucket, key, object }) => {
          this.#forgotten.delete(`${this.nameOf(bucket)} ${key}`);
          this.witness.learnt({ member: this.nameOf(bucket), key }, object?.etag ?? null);
        },
        onRecorded: (outcome) => this.#recorded(actor, outcome),
      }),
      storeOf,
      transfer: this.#fenced.through(actor, new EmbeddedTransfer({ storeOf })),
      clock: this.scheduler.clockOf(actor, () => order.draw(`timer ${timers++}`)),
      newId: this.#ids(actor.name),
      deleteGate: this.#options.deleteGate ?? { max: 1_000, percent: 100, windowMs: HOUR },
      random: this.#chance.stream(`random of ${actor.name}`),
      logger: this.#logger(actor.name),
      syncMs,
      eventsAreQueued: (rule: Rule) => this.stores.get(rule.source.id)?.member.events === "queued",
      isTrusted: () => this.#isTrusted(),
    };
    return this.#options.tamper?.(parts) ?? parts;
  }

  #recorded(actor: Actor, { task, entry, versions = [] }: Outcome): void {
    const { route, key } = task;
    const { name, prefix } = this.targetOf(route.destination);
    const way = `${this.nameOf(route.source)}→${name}/${key}`;
    if (!this.#fenced.recorded(task)) this.problem(10, `${actor.name} recorded ${way} under a lease that had passed on`);
    this.note(`  ${actor.name} records ${way}: ${entry.operation} ${entry.status} ${entry.reason ?? ""}`);
    for (const { replica } of [entry, ...versions])
      if (replica !== null) this.recordedReplicas.add(`${name} ${prefix}${key} ${replica.destinationEtag} ${replica.destinationVersionId}`);
  }

  async #noteHoldings(): Promise<void> {
    for (const line of (await this.#holdings?.changes()) ?? []) this.note(line);
  }

  /** The name of the member with this canonical id. */
  nameOf(id: string): string {
    return this.stores.get(id)?.member.name ?? id;
  }

  /** Where the destination with this canonical id is. */
  targetOf(id: string): Target {
    for (const { destinations } of this.topology.rules) {
      const destination = destinations.find(({ canonicalId }) => canonicalId === id);
      if (destination !== undefined) return { name: this.nameOf(destination.bucket.id), prefix: destination.prefix };
    }
    return { name: id, prefix: "" };
  }

  /** Whether a process took in the event of a client's write before everybody read last who works on its key now, as long as nobody stalls. */
  isToldLongAgo({ id }: ClientWrite): boolean {
    const at = this.#toldWrites.get(id);
    return at !== undefined && this.#options.rates === RATES.none && this.scheduler.now - at > LONG_AGO_MS;
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
    this.#startLater(index, backAfterMs);
  }

  #startLater(index: number, afterMs: number): void {
    this.scheduler.at(this.#itself, { at: this.scheduler.now + afterMs, order: 0 }, () => {
      if (this.#running[index] === undefined) this.#startProcess(index);
    });
  }

  /** Holds up the next step of a process whose name matches, as `p1 B.put:before a/k`. */
  hold(matches: (step: string) => boolean): Held {
    return this.#steps.hold(matches);
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
    if (!(await this.#repaired())) return;
    for (let i = 0; i < this.#options.processes; i++) if (this.#running[i] === undefined) this.#startProcess(i);
    if (!(await this.quiet()) || !(await this.#approveAll())) return;
    for (let round = 1; round <= ROUNDS; round++) {
      const effects = this.witness.effects.length;
      for (const rule of this.topology.rules.filter(isComparedItself)) await this.#compared((engine) => engine.sync(rule));
      if (!(await this.quiet()) || !(await this.#approveAll())) return;
      if (round > 1 && this.witness.effects.length === effects) return this.#compareAttributes();
    }
    this.problem(5, `still changing after ${ROUNDS} comparisons`);
  }

  /** A ledger that nobody may trust is put together in the end; false where that finds no end. */
  async #repaired(): Promise<boolean> {
    const isOver = () => this.#rebuilding === undefined;
    const limit = this.scheduler.now + PATIENCE_MS;
    if ((await this.scheduler.runUntil(isOver, limit)) && (await this.#isTrusted())) return true;
    this.#rebuild();
    if ((await this.scheduler.runUntil(isOver, limit)) && ((await this.#isTrusted()) || !this.#canBeCompared())) return true;
    this.problem(5, "the ledger is not put together again");
    return false;
  }

  /** With a bucket that lists out of order no ledger is put together, and deletes stay off: a stated gap. */
  #canBeCompared(): boolean {
    return this.topology.members.every(({ misorders }) => !misorders);
  }

  async #isTrusted(): Promise<boolean> {
    return ((await this.state.journal.epoch())?.distrust ?? null) === null;
  }

  /** Where deletes are held, a person lets all of them pass; false where that finds no end. */
  async #approveAll(): Promise<boolean> {
    if (this.#options.isApproved !== true || !(await this.#isTrusted())) return true;
    for (let round = 0; round < ROUNDS; round++) {
      if ((await this.until(this.#decideHeld("approve"))) === 0) return true;
      if (!(await this.quiet())) return false;
    }
    this.problem(5, `deletes are still held after ${ROUNDS} approvals`);
    return false;
  }

  /** What neither events nor listings told is found by the attribute pass, and by one. */
  async #compareAttributes(): Promise<void> {
    let wanted = 0;
    for (let pass = 1; pass <= ATTRIBUTE_PASSES; pass++) {
      wanted = 0;
      for (const rule of this.topology.rules.filter((one) => this.#endsAlike(one)))
        wanted += (await this.#compared((engine) => engine.compareAttributes(rule)))?.wanted ?? 0;
      // Also where nothing differs: a comparison of their own may have begun meanwhile.
      if (!(await this.quiet()) || wanted === 0) return;
    }
    this.problem(5, `${wanted} attributes still differ after ${ATTRIBUTE_PASSES} passes`);
  }

  /** Tags that clients give to a one-way destination stay, and differ for ever. */
  #endsAlike({ mesh, destinations, versions }: Rule): boolean {
    if (versions === "all" && this.tookVersions.size > 0) return false; // then what is on top there is not what its row speaks of
    return mesh !== undefined || !destinations.some(({ bucket }) => this.topology.written.includes(this.nameOf(bucket.id)));
  }

  /** Waits until no event travels, no step is under way and no task waits; false where that does not come about. */
  async quiet(): Promise<boolean> {
    const limit = this.scheduler.now + PATIENCE_MS;
    for (let step = SECOND; ; step = Math.min(LOOK_MS, step * 2)) {
      const still = () => this.#post.isIdle && this.#running.every((running) => (running?.open ?? 0) === 0);
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

  /** Has one process compare something; undefined where a listing is not in order. */
  async #compared<T>(compare: (engine: EngineProcess) => Promise<T>): Promise<T | undefined> {
    const running = this.#running.find((candidate) => candidate !== undefined);
    if (running === undefined) return undefined;
    try {
      return await this.until(compare(running.engine));
    } catch (error) {
      if (!isReplicationError(error) || error.code !== "ListingOutOfOrder") throw error;
      return undefined;
    }
  }
}
