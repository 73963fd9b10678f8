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
import type { Logger } from "../ports/logger.ts";
import type { State } from "../ports/state.ts";
import { splitRules, storedEngines } from "./engines.ts";
import { NativeLooks } from "./native/looks.ts";
import { NativeServices } from "./native/services.ts";
import { emptyState } from "./provisioning/empty-state.ts";
import { openState, stateExists } from "./state.ts";
import { openStores } from "./stores.ts";
import { systemClock } from "./system-clock.ts";

/** What S3 did not tell shows as null in the answer itself. */
const UNHEARD: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Reads what a config's state knows, beside a running daemon or after it stopped; and changes it where no daemon has it. */
export class Inspection {
  readonly #config: ResolvedConfig;
  readonly #env: Environment;

  constructor(config: ResolvedConfig, env: Environment) {
    this.#config = config;
    this.#env = env;
  }

  status(rule: string | undefined): Promise<StatusDocument> {
    return this.#look((scope) => queryStatus(scope, systemClock.now(), rule));
  }

  object(reference: string): Promise<ObjectDocument> {
    const { bucket, key = "" } = this.#resolve(reference);
    return this.#look((scope) => queryObject(scope, bucket, key));
  }

  objects(query: ListQuery): Promise<ListDocument<ObjectListItem>> {
    return this.#read((scope) => queryObjects(scope, query));
  }

  explain(reference: string): Promise<ExplainDocument> {
    const { bucket, key = "" } = this.#resolve(reference);
    return this.#look((scope) => queryExplanation(scope, bucket, key));
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
      return await change({ ...(await this.#scope(state)), now: () => systemClock.now() });
    } finally {
      await state.close();
    }
  }

  #resolve(reference: string) {
    return resolveReference(reference, { stores: this.#config.stores, env: this.#env });
  }

  /** Reads what the state knows, and of rules that S3 serves what S3 tells: these need neither a daemon nor a state. */
  async #look<T>(read: (scope: QueryScope) => Promise<T>): Promise<T> {
    const config = this.#config;
    const isThere = stateExists(config) || splitRules(config, new Map()).nativeRules.length === 0;
    const state = isThere ? await openState(config, "reader") : emptyState();
    try {
      const scope = await this.#scope(state);
      const isNative = config.rules.some(({ id }) => scope.engineOf?.(id) === "native");
      return !isNative ? await read(scope) : await this.#withNative(scope, read);
    } finally {
      await state.close();
    }
  }

  async #withNative<T>(scope: QueryScope, read: (scope: QueryScope) => Promise<T>): Promise<T> {
    const [config, env] = [this.#config, this.#env];
    const stores = await openStores({ buckets: Object.values(config.buckets), limits: config.limits, env });
    const services = new NativeServices(config, env);
    try {
      return await read({
        ...scope,
        native: new NativeLooks({ config, ledger: scope.state.ledger, storeOf: stores.storeOf, services, logger: UNHEARD }),
      });
    } finally {
      await Promise.all([services.close(), stores.close()]);
    }
  }

  async #read<T>(read: (scope: QueryScope) => Promise<T>): Promise<T> {
    const state = await openState(this.#config, "reader");
    try {
      return await read(await this.#scope(state));
    } finally {
      await state.close();
    }
  }

  async #scope(state: State): Promise<QueryScope> {
    const { engineOf } = splitRules(this.#config, await storedEngines(this.#config, state.journal));
    return { name: this.#config.name, rules: this.#config.rules, state, engineOf };
  }
}
