import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

/** What each folder of src/ may import: other folders, `node:` modules and npm packages; `*` is all. */
const ALLOWED: Readonly<
  Record<string, { readonly src: readonly string[]; readonly node: readonly string[]; readonly npm: readonly string[] }>
> = {
  domain: { src: [], node: [], npm: [] },
  ports: { src: ["domain"], node: [], npm: [] },
  lib: { src: [], node: ["*"], npm: [] },
  "data-plane": { src: ["domain", "ports", "lib"], node: ["crypto", "timers/promises"], npm: [] },
  "control-plane": { src: ["domain", "ports", "lib"], node: ["crypto"], npm: ["hono", "zod"] },
  config: { src: ["domain", "lib"], node: ["crypto", "fs", "path"], npm: ["zod", "yaml"] },
  "adapters/credentials": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/credential-providers"] },
  "adapters/object-store": { src: ["domain", "ports", "lib", "embedded-s3"], node: ["*"], npm: ["undici"] },
  "adapters/state": { src: ["domain", "ports", "lib"], node: ["*"], npm: [] },
  "adapters/event-source": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-sqs", "@smithy/node-http-handler"] },
  "adapters/bucket-configuration": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-s3"] },
  "adapters/queue-configuration": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-sqs"] },
  "adapters/replication-configuration": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-s3"] },
  "adapters/identity": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-iam", "@aws-sdk/client-sts"] },
  "adapters/encryption-keys": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-kms"] },
  "adapters/batch-replication": {
    src: ["domain", "ports", "lib"],
    node: ["*"],
    npm: ["@aws-sdk/client-s3", "@aws-sdk/client-s3-control"],
  },
  "adapters/replication-metrics": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["@aws-sdk/client-cloudwatch"] },
  "adapters/telemetry": { src: ["domain", "ports", "lib"], node: ["*"], npm: ["pino", "prom-client"] },
  provisioning: { src: ["domain", "ports", "lib"], node: ["crypto", "timers/promises"], npm: [] },
  "embedded-s3": { src: ["domain", "lib"], node: ["*"], npm: [] },
  testing: { src: ["domain", "ports", "lib", "embedded-s3"], node: ["*"], npm: [] },
  app: {
    src: ["domain", "ports", "lib", "data-plane", "control-plane", "provisioning", "config", "adapters", "embedded-s3"],
    node: ["*"],
    npm: [],
  },
  daemon: { src: ["app", "config", "control-plane", "domain", "lib"], node: ["*"], npm: ["@hono/node-server"] },
  serverless: { src: ["app", "config", "domain", "lib"], node: ["*"], npm: [] },
  cli: { src: ["app", "config", "control-plane", "domain", "lib", "daemon", "embedded-s3"], node: ["*"], npm: ["commander"] },
};
const SRC = join(import.meta.dirname, "..", "..", "src");
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s+["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g;

test("every import in src/ points inward", () => {
  const violations: string[] = [];
  for (const file of readdirSync(SRC, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts") || file.includes("fixture")) continue;
    for (const specifier of importsOf(join(SRC, file)))
      if (!isAllowed(file, specifier)) violations.push(`src/${file} imports ${specifier}`);
  }
  assert.deepEqual(violations, []);
});

function importsOf(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function isAllowed(file: string, specifier: string): boolean {
  const folder = folderOf(file);
  if (folder === "") return true; // src/index.ts lists the public surface
  const rule = ALLOWED[folder];
  assert.ok(rule, `src/${folder} is not in the table of allowed imports`);
  if (specifier.startsWith("node:")) return rule.node.includes("*") || rule.node.includes(specifier.slice(5));
  if (!specifier.startsWith(".")) return rule.npm.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  const target = folderOf(relative(SRC, resolve(dirname(join(SRC, file)), specifier)));
  return target === folder || rule.src.includes(target) || rule.src.some((allowed) => target.startsWith(`${allowed}/`));
}

/** `data-plane`, or `adapters/state`: adapters never import another port's adapters. */
function folderOf(file: string): string {
  const [first = "", second = ""] = file.split(/[\\/]/);
  if (first.endsWith(".ts")) return "";
  return first === "adapters" ? `adapters/${second}` : first;
}
