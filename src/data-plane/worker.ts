import { ReplicationError, toRecordedError, toReplicationError } from "../domain/error.ts";
import type { Hint } from "../domain/object.ts";
import { type RetryPolicy, retryDelay } from "../domain/retry.ts";
import { keyMatches, type Rule } from "../domain/rule.ts";
import { blankEntry, type LedgerEntry, type ReplicaRecord, type Status } from "../domain/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Meter } from "../ports/meter.ts";
import type { LeasedTask, Outcome, Route, TaskStore } from "../ports/state.ts";
import type { Transfer } from "../ports/transfer.ts";
import { Alarm } from "./alarm.ts";
import { mayBeThere } from "./already-there.ts";
import type { CarefulWays } from "./careful-ways.ts";
import { DestinationHealth } from "./destination-health.ts";
import { OutcomeRecorder, type OutcomeRecorderOptions } from "./outcome-recorder.ts";
import { type Aim, type AimOutcome, replicate, toReplica } from "./replicate.ts";
import type { RuleIndex } from "./rule-index.ts";
import { type Failed, failed, type Settled } from "./settlement.ts";

export interface WorkerOptions {
  readonly tasks: TaskStore;
  readonly transfer: Transfer;
  readonly rules: RuleIndex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly retry: RetryPolicy;
  /** Objects under way at a time. */
  readonly concurrency: number;
  /** Everything that the quick way, a copy into a leaf, is too quick for. */
  readonly careful: CarefulWays;
  /** @defaultValue sixty days */
  readonly leaseMs?: number | undefined;
  /** Between 0 and 1. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
  /** As in {@link OutcomeRecorderOptions}. */
  readonly watch?: OutcomeRecorderOptions["watch"];
  /** Told of each outcome that was recorded. */
  readonly onOutcome?: ((outcome: Outcome) => void) | undefined;
}

/**
 * Longer than the largest object takes on a slow line (50 TB at 100 Mbit/s: seven weeks): what ends before its copy does is copied for ever. A
 * process that dies frees its leases by dying.
 */
const LEASE_MS = 60 * 24 * 60 * 60_000;
/** After an error of the state itself, so that a full disk is not asked a thousand times a second. */
const BREATHER_MS = 1000;
const BREATHER_MAX_MS = 60_000;
const CLAIM_AT_ONCE = 16;
/** Where tasks are due that the last claim did not return. */
const LOOK_AGAIN_MS = 1_000;

/**
 * Works off tasks: claims what is due, replicates each object once for all its destinations, records each outcome.
 *
 * A task ends only when its outcome is recorded (invariant 1); an outcome whose lease was lost is dropped (invariant 10).
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #abort = new AbortController();
  #stopListening: (() => void) | undefined;
  readonly #health: DestinationHealth;
  readonly #recorder: OutcomeRecorder;
  #idleRoutes: readonly Route[];
  /** How often it was looked when the next task is due. */
  #looks = 0;
  /** When a route that the last claim left alone may be tried again. */
  #tryAt: number | undefined;
  /** Errors of the state since it last recorded something. */
  #troubles = 0;
  /** What is called when a task's outcome has been recorded. */
  readonly #afterwards = new Map<LeasedTask, () => void>();
  #running = 0;
  #claiming = false;
  #again = false;
  #draining = false;
  readonly #alarm: Alarm;
  /** Set while the state is left alone after an error of its own. */
  readonly #breather: Alarm;
  #idle: (() => void)[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#health = new DestinationHealth(options.clock, options.concurrency);
    this.#alarm = new Alarm(options.clock, () => this.#pump());
    this.#breather = new Alarm(options.clock, () => this.#pump());
    this.#recorder = new OutcomeRecorder({
      tasks: options.tasks,
      clock: options.clock,
      watch: options.watch,
      onRecorded: (outcomes, held) => {
        this.#troubles = 0;
        this.#letGo(outcomes);
        this.#report(outcomes, held);
        if (outcomes.some(({ retryAt }) => retryAt !== undefined)) this.#pump(); // when they are due is known only now
      },
      onTrouble: (outcomes, error) => this.#unrecorded(outcomes, error),
    });
    this.#idleRoutes = this.#routesOf((rule) => !rule.enabled);
  }

  /** From now on tasks of these rules wait, and those of no other paused rule. What is under way ends. */
  setPaused(rules: readonly string[]): void {
    this.#idleRoutes = this.#routesOf((rule) => !rule.enabled || rules.includes(rule.id));
    this.#pump();
  }

  #routesOf(matches: (rule: Rule) => boolean): readonly Route[] {
    const { rules } = this.#options;
    return rules.rules.filter(matches).flatMap((rule) => rule.destinations.map((destination) => rules.routeOf(rule, destination)));
  }

  start(): void {
    this.#stopListening = this.#options.tasks.onDue(() => this.#pump());
    this.#pump();
  }

  /** Objects being worked on. */
  get busy(): number {
    return this.#running;
  }

  /** True where nothing is under way and the last look found nothing that can be done now. */
  get isIdle(): boolean {
    return this.#running === 0 && !this.#claiming && !this.#again && this.#recorder.isEmpty;
  }

  /** Claims nothing more and resolves when what is under way has been recorded; after `graceMs` it is broken off and left for the next run. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    this.#stopListening?.();
    this.#alarm.clear();
    this.#breather.clear();
    const grace = new Alarm(this.#options.clock, () => this.#abort.abort());
    grace.set(graceMs);
    while (this.#running > 0 || this.#claiming) await new Promise<void>((resolve) => this.#idle.push(resolve));
    grace.clear();
    await this.#recorder.flush();
  }

  #pump(): void {
    if (this.#draining || this.#breather.isSet) return;
    this.#again = true;
    if (!this.#claiming) void this.#claimAll();
  }

  async #claimAll(): Promise<void> {
    this.#claiming = true;
    const { leaseMs = LEASE_MS } = this.#options;
    try {
      while (this.#again && !this.#draining && !this.#breather.isSet) {
        const room = this.#options.concurrency - this.#running;
        if (room <= 0) break;
        this.#again = false;
        const skip = [...this.#idleRoutes, ...this.#health.skipped()];
        this.#tryAt = this.#health.nextTryAt(); // read with it: a pause that ends while tasks are claimed is one that they were claimed without
        // Few at a time, so that the shares are looked at again before one route has taken all the room.
        const max = Math.min(room, this.#health.isAnyAiling ? 1 : CLAIM_AT_ONCE);
        const claimed = await this.#options.tasks.claim({ max, now: this.#options.clock.now(), leaseMs, skip });
        if (claimed.length > 0) this.#again = true;
        for (const group of bySourceObject(claimed, this.#options.rules)) void this.#work(group);
      }
    } catch (error) {
      this.#trouble(error);
    } finally {
      this.#claiming = false;
      this.#notify();
    }
    if (!this.#again && !this.#breather.isSet) await this.#wakeLater();
  }

  async #wakeLater(): Promise<void> {
    const look = ++this.#looks;
    const waiting = await this.#options.tasks.nextDueAt().catch(() => this.#options.clock.now());
    if (look !== this.#looks) return; // a later look knows better, whichever answer came first
    this.#alarm.clear();
    // A task of a route that is left alone is due and not wanted: what counts then is when the route may be tried again.
    const overdue = waiting !== undefined && waiting <= this.#options.clock.now();
    // Or it became due since the claim.
    const dueAt = overdue ? (this.#tryAt ?? this.#options.clock.now() + LOOK_AGAIN_MS) : waiting;
    if (dueAt === undefined || this.#draining || this.#breather.isSet) return;
    this.#alarm.set(Math.max(1, Math.min(dueAt - this.#options.clock.now(), 2 ** 31 - 1)));
  }

  async #work(group: readonly LeasedTask[]): Promise<void> {
    const open = new Set(group);
    const settle = (outcome: Outcome) => {
      if (!open.delete(outcome.task)) return;
      this.#health.ended(outcome.task.route, outcome.entry.error?.code);
      this.#recorder.add([outcome]);
      if (open.size > 0) this.#pump(); // a destination that is slow holds its own share only
    };
    this.#running++;
    for (const task of group) this.#health.began(task.route);
    try {
      await this.#attempt(group, settle);
    } catch (error) {
      this.#trouble(error);
    } finally {
      for (const task of open) this.#health.ended(task.route, undefined);
      // Broken off by draining, or by an error of ours: as if they had not been claimed. The lease would hold them for hours.
      if (open.size > 0) await this.#options.tasks.release([...open]).catch((error: unknown) => this.#trouble(error));
      this.#running--;
      this.#notify();
      this.#pump();
    }
  }

  /** Settles every task of the group, each as soon as its outcome is known; none that draining broke off. */
  async #attempt(group: readonly LeasedTask[], settle: (outcome: Outcome) => void): Promise<void> {
    const { rules, transfer, clock } = this.#options;
    const startedAt = clock.now();
    const quick: Errand[] = [];
    const others: Promise<void>[] = [];
    const begin = (work: Promise<void>) => {
      work.catch(() => undefined); // it may fail before it is waited for, below
      others.push(work);
    };
    for (const task of group) {
      const aim = rules.aimOf(task.route);
      if (aim === undefined) settle(this.#ended(task, { startedAt, status: "SKIPPED", reason: "RuleRemoved" }));
      else if (!keyMatches(aim.rule.filter, task.key)) settle(this.#ended(task, { startedAt, status: "SKIPPED", reason: "FilteredOut" }));
      else if (isQuick(task, aim, rules)) quick.push({ task, aim });
      else begin(this.#attemptCarefully({ task, aim }, startedAt, settle));
    }
    const errands = await this.#withoutDone(quick, startedAt, settle);
    const settleAim = (index: number, outcome: AimOutcome) => {
      const task = errands[index]?.task;
      if (task !== undefined) settle(this.#toOutcome(task, outcome, startedAt));
    };
    const aims = errands.map(({ aim }) => aim);
    const hint = commonHint(errands.map(({ task }) => task));
    const key = group[0]?.key ?? "";
    const outcomes = await replicate(transfer, { key, aims, hint, onCopied: settleAim, signal: this.#abort.signal });
    for (const [index, outcome] of this.#abort.signal.aborted ? [] : outcomes.entries()) {
      const errand = errands[index];
      if (errand !== undefined && mayBeDelete(outcome, errand)) begin(this.#attemptCarefully(errand, startedAt, settle));
      else if (errand !== undefined && outcome.kind === "failed") begin(this.#failedQuickly(errand, outcome.error, startedAt).then(settle));
      else settleAim(index, outcome);
    }
    await Promise.all(others);
  }

  async #attemptCarefully({ task, aim }: Errand, startedAt: number, settle: (outcome: Outcome) => void): Promise<void> {
    const settlement = await this.#options.careful.settle({ task, aim, signal: this.#abort.signal });
    if (this.#abort.signal.aborted && settlement.kind === "failed") return;
    if (settlement.kind === "failed") return settle(await this.#unsettled({ task, aim }, settlement, startedAt));
    if (settlement.onRecorded !== undefined) this.#afterwards.set(task, settlement.onRecorded);
    settle(this.#settled(task, settlement, startedAt));
  }

  #settled(task: LeasedTask, settlement: Settled, startedAt: number): Outcome {
    const { status, operation, reason, notes, replica, origin, holdings, closes, wants, versions } = settlement;
    const ended = this.#ended(task, { startedAt, status, reason, notes, replica });
    return { ...ended, entry: { ...ended.entry, operation, origin }, holdings, closes, wants, versions };
  }

  /** Settles what was replicated while it was wished for once more, and returns the rest. */
  async #withoutDone(errands: readonly Errand[], startedAt: number, settle: (outcome: Outcome) => void): Promise<readonly Errand[]> {
    if (!errands.some(({ task }) => mayBeThere(task))) return errands;
    const isOpen = async ({ task, aim }: Errand): Promise<boolean> => {
      try {
        const end = await this.#options.careful.alreadyThere({ task, aim, signal: this.#abort.signal });
        if (end !== undefined) settle(this.#settled(task, end, startedAt));
        return end === undefined;
      } catch (error) {
        if (!this.#abort.signal.aborted) settle(await this.#unsettled({ task, aim }, failed(error), startedAt));
        return false;
      }
    };
    const open = await Promise.all(errands.map(isOpen));
    return errands.filter((_, i) => open[i]);
  }

  /** A copy that failed. What is still to be found out of a delete is not forgotten for it. */
  async #failedQuickly(errand: Errand, error: ReplicationError, startedAt: number): Promise<Outcome> {
    const { deletes } = errand.aim.rule;
    const notes = deletes === "none" ? [] : await this.#options.careful.deletesTold(errand.task);
    return this.#unsettled(errand, failed(error, { notes }), startedAt);
  }

  /** What did not come to its end. Of what may come out of an archive, the row goes on telling that it was asked for. */
  async #unsettled({ task, aim }: Errand, end: Failed, startedAt: number): Promise<Outcome> {
    const { restore } = aim.rule;
    if (restore === undefined) return this.#failedCarefully(task, end, startedAt);
    const isArchived = end.error.code === "ArchivedObject";
    if (!isArchived) return this.#options.careful.archives.carry(task, this.#failedCarefully(task, end, startedAt));
    return this.#restore({ task, aim }, end, startedAt);
  }

  #failedCarefully(task: LeasedTask, { error, operation, wants, standing, notes = [] }: Failed, startedAt: number): Outcome {
    if (error.code === "BeingWritten") return this.#deferred(task, { error, standing }, startedAt);
    const { entry, ...outcome } = this.#failed(task, error, startedAt);
    const reason = outcome.retryAt === undefined ? entry.reason : (standing ?? entry.reason);
    return { ...outcome, entry: { ...entry, operation, reason, notes }, wants };
  }

  /** An archived object is asked for, and waited for. */
  async #restore({ task, aim }: Errand, end: Failed, startedAt: number): Promise<Outcome> {
    const { archives } = this.#options.careful;
    try {
      const { retryAfterMs, notes } = await archives.ask({ task, aim, signal: this.#abort.signal });
      const { code, message } = end.error;
      const error = new ReplicationError(code, message, { retryAfterMs, cause: end.error });
      // Hours that are no backlog of ours: they count in neither lag nor latency.
      const later: LeasedTask = { ...task, lane: "backfill", eventTime: null };
      const { entry, ...outcome } = this.#deferred(later, { error, standing: "BeingRestored" }, startedAt);
      return { ...outcome, entry: { ...entry, notes }, task };
    } catch (refusal) {
      return archives.carry(task, this.#failedCarefully(task, failed(refusal, end), startedAt));
    }
  }

  #toOutcome(task: LeasedTask, outcome: AimOutcome, startedAt: number): Outcome {
    if (outcome.kind === "skipped") return this.#ended(task, { startedAt, status: "SKIPPED", reason: outcome.reason });
    if (outcome.kind === "failed") return this.#failed(task, outcome.error, startedAt);
    const { notes } = outcome;
    return this.#ended(task, { startedAt, status: "COMPLETED", reason: null, notes, replica: toReplica(outcome) });
  }

  #ended(
    task: LeasedTask,
    end: { startedAt: number; status: Status; reason: string | null; notes?: readonly string[]; replica?: ReplicaRecord | null },
  ): Outcome {
    const finishedAt = this.#options.clock.now();
    const latency = end.status === "COMPLETED" && task.eventTime !== null ? Math.max(0, finishedAt - task.eventTime) : null;
    return {
      task,
      entry: {
        ...emptyEntry(task),
        status: end.status,
        reason: end.reason,
        notes: end.notes ?? [],
        replica: end.replica ?? null,
        startedAt: end.startedAt,
        finishedAt,
        replicationLatencyMs: latency,
      },
    };
  }

  /** Another write has to end first: that is no attempt, however long it takes. */
  #deferred(task: LeasedTask, { error, standing }: Pick<Failed, "error" | "standing">, startedAt: number): Outcome {
    const { route, key, lane, eventTime, changes, deletedAt } = task;
    const notBefore = this.#options.clock.now() + (error.retryAfterMs ?? BREATHER_MS);
    const ended = this.#ended(task, { startedAt, status: "SKIPPED", reason: standing ?? error.code });
    return { ...ended, wants: [{ route, key, lane, eventTime, changes, deletedAt, notBefore }] };
  }

  #failed(task: LeasedTask, error: ReplicationError, startedAt: number): Outcome {
    const now = this.#options.clock.now();
    const attempts = task.attempts + 1;
    const delay = retryDelay(this.#options.retry, { error, attempts }, this.#options.random ?? Math.random);
    const retryAt = delay === undefined ? undefined : now + delay;
    const entry: LedgerEntry = {
      ...emptyEntry(task),
      status: retryAt === undefined ? "FAILED" : "PENDING",
      reason: error.code,
      startedAt,
      finishedAt: retryAt === undefined ? now : null,
      nextAttemptAt: retryAt ?? null,
      firstFailedAt: task.firstFailedAt ?? now,
      error: toRecordedError(error),
    };
    return { task, entry, retryAt };
  }

  /** The copies were made and cannot be written down: the tasks are given back, and made again once the state can be used. */
  async #unrecorded(outcomes: readonly Outcome[], error: unknown): Promise<void> {
    this.#trouble(error);
    await this.#options.tasks.release(outcomes.map(({ task }) => task)).catch(() => undefined);
    this.#letGo(outcomes);
  }

  #letGo(outcomes: readonly Outcome[]): void {
    for (const { task } of outcomes) {
      this.#afterwards.get(task)?.();
      this.#afterwards.delete(task);
    }
  }

  #report(outcomes: readonly Outcome[], held: readonly boolean[]): void {
    const { meter, logger } = this.#options;
    outcomes.forEach(({ task, entry }, i) => {
      if (held[i] !== true) return;
      this.#options.onOutcome?.(outcomes[i] as Outcome);
      const { rule, destination } = task.route;
      const id = this.#options.rules.aimOf(task.route)?.destination.id ?? destination;
      if (entry.status === "COMPLETED")
        meter.completed(rule, id, { bytes: entry.replica?.bytes ?? 0, latencyMs: entry.replicationLatencyMs });
      if (entry.status !== "FAILED") return;
      meter.failed(rule, id);
      logger.error("replication failed", { rule, destination: id, key: task.key, attempts: entry.attempts, ...entry.error });
    });
  }

  /** The state could not be read or written: nothing is lost, the tasks stand; look again after a while. */
  #trouble(error: unknown): void {
    const { code, message, hint } = toReplicationError(error);
    this.#options.logger.error("the state cannot be used; work goes on when it can", { code, error: message, hint });
    this.#again = false;
    if (this.#draining || this.#breather.isSet) return;
    this.#breather.set(Math.min(BREATHER_MAX_MS, BREATHER_MS * 2 ** Math.min(this.#troubles++, 10)));
  }

  #notify(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

interface Errand {
  readonly task: LeasedTask;
  readonly aim: Aim;
}

/** Whether a task is the common one: an object was written, and what it is wanted at is a leaf. */
function isQuick({ changes }: LeasedTask, aim: Aim, rules: RuleIndex): boolean {
  const { rule } = aim;
  if (rules.passesInterior(aim) || rule.versions === "all" || rule.stamp === "always") return false;
  if (changes === undefined) return true;
  return changes.written === true && !(changes.deleted === true && rule.deletes !== "none");
}

/** Gone, and deletes are replicated: whether it was deleted is read at the source. */
function mayBeDelete(outcome: AimOutcome, { aim }: Errand): boolean {
  return outcome.kind === "skipped" && outcome.reason === "SourceGone" && aim.rule.deletes !== "none";
}

/** Tasks of one source object together, so that it is read once; tasks whose rule is gone by themselves. */
function bySourceObject(tasks: readonly LeasedTask[], rules: RuleIndex): Iterable<readonly LeasedTask[]> {
  const groups = new Map<string, LeasedTask[]>();
  for (const task of tasks) {
    const id = rules.aimOf(task.route) === undefined ? `? ${task.route.rule} ${task.key}` : `${task.route.source} ${task.key}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [task]);
    else group.push(task);
  }
  return groups.values();
}

/** The hint that all tasks share; where they differ some are out of date, and the source is asked. A failed attempt's hint is not tried twice. */
function commonHint(group: readonly LeasedTask[]): Hint | undefined {
  const first = group[0]?.hint;
  const same = group.every(({ hint, attempts }) => attempts === 0 && hint?.etag === first?.etag && hint?.sizeBytes === first?.sizeBytes);
  return same ? first : undefined;
}

function emptyEntry({ route, key, attempts, eventTime }: LeasedTask): LedgerEntry {
  return { ...blankEntry({ ...route, key }), attempts: attempts + 1, eventTime };
}
