import type { Environment, ResolvedConfig } from "../../config/resolved-config.ts";
import type { Rule } from "../../domain/rule.ts";
import type { Logger } from "../../ports/logger.ts";
import type { State } from "../../ports/state.ts";
import type { Stores } from "../stores.ts";
import { NativeLooks } from "./looks.ts";
import { NativeServices } from "./services.ts";
import { NativeWatch } from "./watch.ts";

export interface NativeSideRun {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  /** Every direction that S3 serves. */
  readonly rules: readonly Rule[];
  readonly state: State;
  readonly stores: Stores;
  readonly logger: Logger;
}

/** What a process does about the rules that are left to S3. A module of its own: where there are none nothing of it is loaded. */
export interface NativeSide {
  readonly watch: NativeWatch;
  readonly looks: NativeLooks;
  close(): Promise<void>;
}

export function openNativeSide({ config, env, rules, state, stores, logger }: NativeSideRun): NativeSide {
  const services = new NativeServices(config, env);
  return {
    watch: new NativeWatch({ config, rules, state, stores, services, logger }),
    looks: new NativeLooks({ config, services, logger, ledger: state.ledger, storeOf: stores.storeOf }),
    close: () => services.close(),
  };
}
