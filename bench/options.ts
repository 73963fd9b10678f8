import { parseArgs } from "node:util";
import { type Sizes, type Workload, workloads } from "./workloads.ts";

export const usage = `usage: npm run bench -- [options]
  --only W1,W2,LAG   these only; W1 to W7 and LAG otherwise
  --repeat N         rounds of each workload (default 3); the clients take turns within a round
  --sizes S,L,T      objects of 4 KiB, of 128 MiB and of 16 bytes (default 10000,12,100000)
  --lag-seconds N    time of each rate of LAG (default 10)
  --peers            mc mirror -a and rclone --metadata take part
  --tls              adds W3-TLS
  --huge             adds W8, one object of 5 GiB and a byte
  --lean-only        leaves the product out
  --no-build         takes dist/ as it is
  --json FILE        writes all measurements there`;

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  readonly lag: boolean;
  readonly repeat: number;
  readonly sizes: Sizes;
  readonly lagSeconds: number;
  readonly peers: boolean;
  readonly product: boolean;
  readonly build: boolean;
  readonly json: string | undefined;
  readonly help: boolean;
}

const onRequest: Readonly<Record<string, "tls" | "huge">> = { "W3-TLS": "tls", W8: "huge" };

/** @throws Error on anything that it does not understand. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      repeat: { type: "string", default: "3" },
      sizes: { type: "string", default: "10000,12,100000" },
      "lag-seconds": { type: "string", default: "10" },
      peers: { type: "boolean", default: false },
      tls: { type: "boolean", default: false },
      huge: { type: "boolean", default: false },
      "lean-only": { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const chosen = values.only?.split(",") ?? defaults(values);
  const unknown = chosen.filter((id) => id !== "LAG" && !workloads.some((workload) => workload.id === id));
  if (unknown.length > 0) throw new Error(`unknown workload ${unknown.join(", ")}`);
  return {
    workloads: workloads.filter(({ id }) => chosen.includes(id)),
    lag: chosen.includes("LAG"),
    repeat: positive("--repeat", values.repeat),
    sizes: parseSizes(values.sizes),
    lagSeconds: positive("--lag-seconds", values["lag-seconds"]),
    peers: values.peers,
    product: !values["lean-only"],
    build: !values["no-build"] && !values["lean-only"],
    json: values.json,
    help: values.help,
  };
}

function defaults(values: Readonly<Record<"tls" | "huge", boolean>>): string[] {
  const asked = workloads.filter(({ id }) => {
    const option = onRequest[id];
    return !option || values[option];
  });
  return [...asked.map(({ id }) => id), "LAG"];
}

function parseSizes(text: string): Sizes {
  const [small, large, tiny, ...rest] = text.split(",").map((part) => positive("--sizes", part));
  if (!small || !large || !tiny || rest.length > 0) throw new Error(`--sizes takes three numbers, not ${text}`);
  return { small, large, tiny };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${option} takes whole numbers above 0, not ${text}`);
  return value;
}
