import { resolveReference } from "../config/resolve-bucket.ts";
import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import type {
  ConflictItem,
  ExplainDocument,
  FailureItem,
  HeldDeleteItem,
  ListDocument,
  ObjectDocument,
  ObjectListItem,
  StatusDocument,
  Versioned,
} from "../control-plane/contract.ts";
import { queryExplanation } from "../control-plane/explain.ts";
import type { OperationScope } from "../control-plane/operations.ts";
import {
  type ConflictQuery,
  type ListQuery,
  type QueryScope,
  queryConflict,
  queryConflicts,
  queryFailure,
  queryFailures,
  queryHeldDelete,
  queryHeldDeletes,
  queryObject,
  queryObjects,
  queryStatus,
} from "../control-plane/queries.ts";
import { openState } from "./state.ts";
import { systemClock } from "./system-clock.ts";

/** Reads what a config's state knows, beside a running daemon or after it stopped; and changes it where no daemon has it. */
export class Inspection {
  readonly #config: ResolvedConfig;
  readonly #env: Environment;

  constructor(config: ResolvedConfig, env: Environment) {
    this.#config = config;
    this.#env = env;
  }

  status(rule: string | undefined): Promise<StatusDocument> {
    return this.#read((scope) => queryStatus(scope, systemClock.now(), rule));
  }

  object(reference: string): Promise<ObjectDocument> {
    const { bucket, key = "" } = this.#resolve(reference);
    return this.#read((scope) => queryObject(scope, bucket, key));
  }

  objects(query: ListQuery): Promise<ListDocument<ObjectListItem>> {
    return this.#read((scope) => queryObjects(scope, query));
  }

  explain(reference: string): Promise<ExplainDocument> {
    const { bucket, key = "" } = this.#resolve(reference);
    return this.#read((scope) => queryExplanation(scope, bucket, key));
  }

  failures(query: ListQuery): Promise<ListDocument<FailureItem>> {
    return this.#read((scope) => queryFailures(scope, query));
  }

  failure(id: string): Promise<FailureItem & Versioned> {
    return this.#read((scope) => queryFailure(scope, id));
  }

  heldDeletes(query: ListQuery): Promise<ListDocument<HeldDeleteItem>> {
    return this.#read((scope) => queryHeldDeletes(scope, query));
  }

  heldDelete(id: string): Promise<HeldDeleteItem & Versioned> {
    return this.#read((scope) => queryHeldDelete(scope, id));
  }

  conflicts(query: ConflictQuery): Promise<ListDocument<ConflictItem>> {
    return this.#read((scope) => queryConflicts(scope, query));
  }

  conflict(id: string): Promise<ConflictItem & Versioned> {
    return this.#read((scope) => queryConflict(scope, id));
  }

  /**
   * Changes the state itself. What becomes of it is seen to by the daemon that is started next.
   *
   * @throws `LedgerLocked` where a daemon, or another command, has the state
   */
  async change<T>(change: (scope: OperationScope) => Promise<T>): Promise<T> {
    const state = await openState(this.#config, "daemon");
    try {
      return await change({ name: this.#config.name, rules: this.#config.rules, state, now: () => systemClock.now() });
    } finally {
      await state.close();
    }
  }

  #resolve(reference: string) {
    return resolveReference(reference, { stores: this.#config.stores, env: this.#env });
  }

  async #read<T>(read: (scope: QueryScope) => Promise<T>): Promise<T> {
    const state = await openState(this.#config, "reader");
    try {
      return await read({ name: this.#config.name, rules: this.#config.rules, state });
    } finally {
      await state.close();
    }
  }
}
