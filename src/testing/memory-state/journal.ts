import { compareKeys } from "../../domain/object.ts";
import type { Engine } from "../../domain/rule.ts";
import type { Epoch, IntakeCounts, Journal, SyncProgress } from "../../ports/state.ts";
import type { Memory } from "./rows.ts";

export class MemoryJournal implements Journal {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  async countIntake(store: string, { received, ignored }: { readonly received: number; readonly ignored: number }): Promise<void> {
    const counts = this.#countsOf(store);
    this.#memory.rows.intake.set(store, { ...counts, received: counts.received + received, ignored: counts.ignored + ignored });
  }

  async setAside(store: string, { reason }: { readonly reason: string; readonly excerpt: string }): Promise<void> {
    const counts = this.#countsOf(store);
    const lastMalformed = { reason, at: this.#memory.clock.now() };
    this.#memory.rows.intake.set(store, { ...counts, malformed: counts.malformed + 1, lastMalformed });
  }

  async intake(): Promise<readonly IntakeCounts[]> {
    return [...this.#memory.rows.intake.values()].sort((a, b) => compareKeys(a.store, b.store));
  }

  async markOutage(store: string): Promise<void> {
    this.#memory.rows.outages.set(store, true);
  }

  async clearOutage(store: string): Promise<void> {
    this.#memory.rows.outages.delete(store);
  }

  async outages(): Promise<readonly string[]> {
    return [...this.#memory.rows.outages.keys()].sort(compareKeys);
  }

  async syncProgress(rule: string): Promise<SyncProgress | undefined> {
    return this.#memory.rows.syncProgress.get(rule);
  }

  async saveSyncProgress(rule: string, progress: SyncProgress): Promise<void> {
    this.#memory.rows.syncProgress.set(rule, progress);
  }

  async ruleSince(rule: string, now: number): Promise<number> {
    const since = this.#memory.rows.ruleSince.get(rule) ?? now;
    this.#memory.rows.ruleSince.set(rule, since);
    return since;
  }

  async engine(rule: string): Promise<Engine | undefined> {
    return this.#memory.rows.engines.get(rule);
  }

  async saveEngine(rule: string, engine: Engine): Promise<void> {
    this.#memory.rows.engines.set(rule, engine);
  }

  async epoch(): Promise<Epoch | undefined> {
    return this.#memory.rows.epoch.get("epoch");
  }

  async saveEpoch(epoch: Epoch): Promise<void> {
    this.#memory.rows.epoch.set("epoch", epoch);
  }

  #countsOf(store: string): IntakeCounts {
    return this.#memory.rows.intake.get(store) ?? { store, received: 0, ignored: 0, malformed: 0, lastMalformed: null };
  }
}
