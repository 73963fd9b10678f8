import type { Environment, ResolvedConfig } from "../config/resolved-config.ts";
import { ReplicationError } from "../domain/error.ts";
import { DemoWriter } from "./demo.ts";
import { openStores } from "./stores.ts";

export interface DemoWriterOptions {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly objectsPerSecond: number;
  readonly signal: AbortSignal;
}

/** A writer with connections of its own, as any other client of the source would have. */
export async function openDemoWriter({
  config,
  env,
  ...pace
}: DemoWriterOptions): Promise<{ readonly writer: DemoWriter; close(): Promise<void> }> {
  const source = config.rules[0]?.source;
  if (source === undefined) throw new ReplicationError("ConfigInvalid", "the demo needs a rule to write for");
  const stores = await openStores({ buckets: Object.values(config.buckets), env });
  return { writer: new DemoWriter({ store: stores.storeOf(source), ...pace }), close: () => stores.close() };
}
