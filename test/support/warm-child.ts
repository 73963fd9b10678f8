import module from "node:module";
import type { ExitNote, Order } from "./warm-process.ts";

// As bin/replicast.js does; what this process compiled is kept for the next one, which a kill would prevent at its end.
module.enableCompileCache();
const { main } = await import("../../src/cli/main.ts");

/** Stands behind the last output of a command on both streams: nothing that is printed holds it. */
const END = "\0";

process.on("message", ({ args, env, cwd }: Order) => void run(args, { env, cwd }));
process.on("disconnect", () => process.exit());

/** Runs one command line, as bin/replicast.js does but for the end of the process. */
async function run(args: readonly string[], { env, cwd }: Omit<Order, "args">): Promise<void> {
  const { stdout, stderr } = process;
  const code = await main(args, env, { stdout, stderr, cwd });
  for (const stream of [stdout, stderr]) stream.write(END);
  process.send?.({ code } satisfies ExitNote);
  module.flushCompileCache();
}
