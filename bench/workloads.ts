import { type CheckResult, checkCopy } from "./check.ts";
import { type Command, type Contender, leanName, productCommand, productName, type Transfer } from "./contenders.ts";
import { type Measurement, measure } from "./measure.ts";
import { productConfig } from "./product-config.ts";
import { hugeBytes, largeBytes, seedHuge, seedLarge, seedSmall, seedTiny, smallBytes, tinyBytes } from "./seed.ts";
import type { BenchServer, Stage } from "./servers.ts";

export interface Sizes {
  /** Objects of 4 KiB. */
  readonly small: number;
  /** Objects of 128 MiB. */
  readonly large: number;
  /** Objects of 16 bytes. */
  readonly tiny: number;
}

export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly source: "src" | "big" | "tiny" | "huge";
  readonly destination: "A" | "B";
  /** Copies of each object. */
  readonly copies: number;
  /** What the destination holds beforehand. */
  readonly found: "nothing" | "own copy" | "same seed";
  /** Served over https. */
  readonly tls?: boolean;
  /** Beside `sync`, the product is measured as a daemon that ends when it is idle. */
  readonly backfill?: boolean;
}

export const workloads: readonly Workload[] = [
  { id: "W1", title: "small objects within one server", source: "src", destination: "A", copies: 1, found: "nothing" },
  { id: "W2", title: "small objects from server to server", source: "src", destination: "B", copies: 1, found: "nothing" },
  { id: "W3", title: "large objects from server to server", source: "big", destination: "B", copies: 1, found: "nothing" },
  {
    id: "W3-TLS",
    title: "large objects from server to server over TLS",
    source: "big",
    destination: "B",
    copies: 1,
    found: "nothing",
    tls: true,
  },
  { id: "W4", title: "W2 again, with nothing to do", source: "src", destination: "B", copies: 1, found: "own copy" },
  { id: "W5", title: "many keys with nothing to do", source: "tiny", destination: "B", copies: 1, found: "same seed" },
  { id: "W6", title: "small objects to three buckets", source: "src", destination: "B", copies: 3, found: "nothing" },
  {
    id: "W7",
    title: "small objects as the backfill of a daemon",
    source: "src",
    destination: "B",
    copies: 1,
    found: "nothing",
    backfill: true,
  },
  { id: "W8", title: "one multipart object of 5 GiB and a byte", source: "huge", destination: "B", copies: 1, found: "nothing" },
];

export interface Run {
  readonly workload: string;
  readonly contender: string;
  readonly round: number;
  /** Objects delivered, or compared where nothing is to do; three times the source's where three buckets are filled. */
  readonly objects: number;
  readonly bytes: number;
  readonly measurement: Measurement;
  readonly check: CheckResult;
}

interface Seed {
  readonly objectBytes: number;
  count(sizes: Sizes): number;
  fill(server: BenchServer, bucket: string, count: number): Promise<void>;
}

const seeds: Record<Workload["source"], Seed> = {
  src: { objectBytes: smallBytes, count: (sizes) => sizes.small, fill: seedSmall },
  big: { objectBytes: largeBytes, count: (sizes) => sizes.large, fill: seedLarge },
  tiny: { objectBytes: tinyBytes, count: (sizes) => sizes.tiny, fill: seedTiny },
  huge: { objectBytes: hugeBytes, count: () => 1, fill: seedHuge },
};

/** Seeds and runs workloads on one stage. */
export class WorkloadRunner {
  readonly #stage: Stage;
  readonly #sizes: Sizes;
  readonly #seeded: Set<string> = new Set();
  #buckets = 0;

  constructor(stage: Stage, sizes: Sizes) {
    this.#stage = stage;
    this.#sizes = sizes;
  }

  /** Runs one contender once, in buckets that are gone afterwards. */
  async run(workload: Workload, contender: Contender, round: number): Promise<Run> {
    await this.#seed(workload, "A");
    const server = workload.destination === "A" ? this.#stage.a : this.#stage.b;
    const transfer = await this.#prepare(workload, server);
    if (workload.found === "own copy") await this.#fill(contender, transfer);
    const measurement = await measure(this.#stage, contender.commands(transfer));
    const check = await checkCopy(transfer);
    if (workload.found !== "same seed") for (const bucket of transfer.destination.buckets) await server.dropBucket(bucket);
    const objects = seeds[workload.source].count(this.#sizes) * workload.copies;
    const bytes = objects * seeds[workload.source].objectBytes;
    return { workload: workload.id, contender: contender.name, round, objects, bytes, measurement, check };
  }

  async #prepare(workload: Workload, server: BenchServer): Promise<Transfer> {
    const buckets = workload.found === "same seed" ? [await this.#seed(workload, "B")] : [];
    while (buckets.length < workload.copies) {
      const bucket = `dst-${++this.#buckets}`;
      await server.createBucket(bucket);
      buckets.push(bucket);
    }
    const large = workload.source === "big" || workload.source === "huge";
    return { source: { server: this.#stage.a, bucket: workload.source }, destination: { server, buckets }, large };
  }

  async #fill(contender: Contender, transfer: Transfer): Promise<void> {
    const { exitCode, output } = await measure(this.#stage, contender.commands(transfer));
    if (exitCode !== 0) throw new Error(`${contender.name} could not prepare its own copy: ${output}`);
  }

  async #seed(workload: Workload, name: BenchServer["name"]): Promise<string> {
    const bucket = workload.source;
    if (!this.#seeded.has(name + bucket)) {
      const seed = seeds[bucket];
      const count = seed.count(this.#sizes);
      console.error(`seeding ${count} objects of ${seed.objectBytes} bytes at ${name}`);
      await seed.fill(name === "A" ? this.#stage.a : this.#stage.b, bucket, count);
      this.#seeded.add(name + bucket);
    }
    return bucket;
  }
}

/** Who takes part: in the backfill the daemon joins, and other tools, which have none, stay out. */
export function contendersOf(workload: Workload, stage: Stage, contenders: readonly Contender[]): Contender[] {
  if (!workload.backfill) return [...contenders];
  const own = contenders.filter(({ name }) => name === leanName || name === productName);
  return own.some(({ name }) => name === productName) ? [...own, daemon(stage)] : own;
}

function daemon(stage: Stage): Contender {
  let runs = 0;
  const command = (transfer: Transfer): Command => {
    const [destination = ""] = transfer.destination.buckets;
    const config = productConfig(stage, { name: `backfill-${++runs}`, source: transfer.source.bucket, destination, live: false });
    return productCommand(stage, "--config", config.file, "run", "--until-idle");
  };
  return { name: `${productName} run --until-idle`, commands: (transfer) => [command(transfer)] };
}
