import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchServer, credentials, type Stage } from "./servers.ts";

export interface ConfigOptions {
  readonly name: string;
  readonly source: string;
  readonly destination: string;
  /** Takes events by webhook, at the port that A delivers to. */
  readonly live: boolean;
}

export interface ProductConfig {
  readonly file: string;
  readonly url: string;
}

/** Writes a configuration with one rule from A to B and a state of its own. JSON is YAML too. */
export function productConfig(stage: Stage, options: ConfigOptions): ProductConfig {
  const file = join(stage.scratch, `${options.name}.yaml`);
  const config = {
    version: 1,
    name: "bench",
    stores: { a: store(stage.a, options.live), b: store(stage.b, false) },
    rules: [{ id: "bench", source: `a:${options.source}`, destinations: [`b:${options.destination}`] }],
    state: `sqlite:${join(stage.scratch, `${options.name}.db`)}`,
    listen: { host: "127.0.0.1", port: stage.webhookPort },
  };
  writeFileSync(file, JSON.stringify(config));
  return { file, url: `http://127.0.0.1:${stage.webhookPort}` };
}

function store(server: BenchServer, live: boolean): object {
  return {
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials,
    events: { type: live ? "webhook" : "none" },
    ...(server.minio.caFile ? { tls: { caFile: server.minio.caFile } } : {}),
  };
}
