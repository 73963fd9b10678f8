import { resolveReference } from "../config/resolve-bucket.ts";
import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import type { ListDocument, ObjectDocument, ObjectListItem, StatusDocument } from "../control-plane/contract.ts";
import { type ListQuery, queryObject, queryObjects, queryStatus } from "../control-plane/queries.ts";
import { openState } from "./state.ts";
import { systemClock } from "./system-clock.ts";

/** Reads what a config's state knows, beside a running daemon or after it stopped. */
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
    const { bucket, key = "" } = resolveReference(reference, { stores: this.#config.stores, env: this.#env });
    return this.#read((scope) => queryObject(scope, bucket, key));
  }

  objects(query: ListQuery): Promise<ListDocument<ObjectListItem>> {
    return this.#read((scope) => queryObjects(scope, query));
  }

  async #read<T>(read: (scope: Parameters<typeof queryObject>[0]) => Promise<T>): Promise<T> {
    const state = await openState(this.#config, "reader");
    try {
      return await read({ name: this.#config.name, rules: this.#config.rules, state });
    } finally {
      await state.close();
    }
  }
}
