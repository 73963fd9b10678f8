import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { GoPin } from "./go-tool.ts";
import { cacheDirectory, withLock } from "./tool-cache.ts";

/** Foreign programs of the test servers and the benchmark, each at one version; a changed pin is built beside the old one. */
const goPins = {
  minio: { module: "github.com/minio/minio", version: "v0.0.0-20260212201848-7aac2a2c5b7c", go: "1.24" },
  versitygw: {
    module: "github.com/versity/versitygw",
    program: "cmd/versitygw",
    version: "v1.8.0",
    go: "1.25",
    // An event's bucket and key are read after the request's buffer was given back: when it is busy, the gateway tells of a bucket or key
    // of the next request instead, one event in some hundreds. No test that waits for an event could be trusted.
    mended: { file: "s3event/event.go", from: "strings.Split(ctx.Path(),", to: "strings.Split(strings.Clone(ctx.Path())," },
  },
  mc: { module: "github.com/minio/mc", version: "v0.0.0-20250313080218-cf909e1063a9", go: "1.23" },
  rclone: { module: "github.com/rclone/rclone", version: "v1.75.1", go: "1.26" },
} as const satisfies Readonly<Record<string, GoPin>>;

const pythonPins = ["moto[server,s3,sqs,sns]==5.2.5", "boto3==1.44.5", "awscli==1.46.2"] as const;

/** The Serverless Framework's open fork: its third line has the interface of Serverless 3, its fourth one of its own. */
const npmPins = {
  osls: { spec: "osls@4.3.1", program: "osls/bin/serverless.js" },
  "osls-3": { spec: "osls@3.77.1", program: "osls/bin/serverless.js" },
} as const;

export const toolNames = ["minio", "versitygw", "mc", "rclone", "python", "osls", "osls-3"] as const;
export type ToolName = (typeof toolNames)[number];

interface Tool {
  /** The program, or a script for Node; for `python` the interpreter of an environment whose `bin` also holds `moto_server` and `aws`. */
  readonly path: string;
  /** Exists only when the tool is complete. */
  readonly marker: string;
  build(): Promise<void>;
}

function describeTool(name: ToolName): Tool {
  if (name === "python") return describePython();
  return isNpmTool(name) ? describeNpmTool(name) : describeGoTool(name);
}

function isNpmTool(name: ToolName): name is keyof typeof npmPins {
  return name in npmPins;
}

function describeNpmTool(name: keyof typeof npmPins): Tool {
  const { spec, program } = npmPins[name];
  const directory = join(cacheDirectory(), `npm-${spec}`);
  const path = join(directory, "node_modules", program);
  const build = async (): Promise<void> => (await import("./npm-tool.ts")).buildNpmTool({ spec, directory });
  return { path, marker: path, build };
}

function describeGoTool(name: keyof typeof goPins): Tool {
  const pin: GoPin = goPins[name];
  const path = join(cacheDirectory(), `${name}-${pin.version}${pin.mended ? "-mended" : ""}`, name);
  const build = async (): Promise<void> => (await import("./go-tool.ts")).buildGoTool({ ...pin, name, path });
  return { path, marker: path, build };
}

function describePython(): Tool {
  const fingerprint = createHash("sha256").update(pythonPins.join("\n")).digest("hex").slice(0, 12);
  const directory = join(cacheDirectory(), `python-${fingerprint}`);
  const marker = join(directory, ".complete");
  const build = async (): Promise<void> => (await import("./python-tool.ts")).buildPythonTool({ directory, marker, pins: pythonPins });
  return { path: join(directory, "bin", "python"), marker, build };
}

/** Returns the path of a tool, after building it where the cache does not hold it yet. Safe to call from several processes at once. */
export async function ensureTool(name: ToolName): Promise<string> {
  const tool = describeTool(name);
  if (existsSync(tool.marker)) return tool.path;
  await withLock(name, async () => {
    if (!existsSync(tool.marker)) await tool.build();
  });
  return tool.path;
}

function isToolName(name: string): name is ToolName {
  return (toolNames as readonly string[]).includes(name);
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !isToolName(name));
  if (unknown.length > 0) {
    console.error(`error: unknown tool ${unknown.join(", ")}\ntry: node scripts/tools.ts ${toolNames.join(" ")}`);
    return 2;
  }
  const wanted = names.length === 0 ? toolNames : names.filter(isToolName);
  for (const name of wanted) console.log(`${name}\t${await ensureTool(name)}`);
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
