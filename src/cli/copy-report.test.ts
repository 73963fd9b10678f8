import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { it } from "node:test";
import { destinationOf, ruleOf } from "../../test/support/rules.ts";
import type { CopiedPair } from "../app/provisioning/provision.ts";
import { ReplicationError } from "../domain/error.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { CopyReport, copyDocument } from "./copy-report.ts";
import { Output } from "./output.ts";

const DESTINATION = destinationOf(bucketOf("b"));
const RULE = ruleOf(bucketOf("a"), [DESTINATION]);
const COUNTS = { compared: 5, equal: 1, missing: 3, different: 1, extra: 0, hidden: 0, unproven: 0, excluded: 0 };
const PAIR: CopiedPair = {
  rule: RULE,
  summary: { destination: DESTINATION, ...COUNTS, copied: 1, failed: 1, bytesCopied: 2048 },
  left: { carried: 1, replica: 0, encrypted: 0, kept: 2 },
  isComplete: true,
};

async function printed(copied: readonly CopiedPair[], failures: number, json = false) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output({ stdout, stderr, json, quiet: false, verbose: false, color: false });
  const report = new CopyReport(output);
  for (let i = 0; i < failures; i++) {
    report.onCopy({
      kind: "failed",
      key: `k${i}`,
      destination: DESTINATION,
      error: new ReplicationError("AccessDenied", `may not write k${i}`),
    });
  }
  await report.end(copied);
  output.release();
  return { stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

it("a line tells what came of each pair, and what was left alone and why", async () => {
  const { stdout, stderr } = await printed([PAIR], 1);
  const left = "1 left to S3, 2 left as the destination has them";
  assert.equal(stdout, `${RULE.id}  ${DESTINATION.id}: 5 compared, 1 equal, 1 copied (2.0 KiB), 1 failed, ${left}\n`);
  assert.equal(stderr, `warning: ${DESTINATION.id}: may not write k0\n`);
});

it("of many failures twenty are shown, and the others counted", async () => {
  const { stderr } = await printed([PAIR], 23);
  assert.equal(stderr.match(/may not write/g)?.length, 20);
  assert.match(stderr, /warning: and 3 more\n$/);
});

it("what was broken off says how to go on", async () => {
  const { stderr } = await printed([{ ...PAIR, isComplete: false }], 0);
  assert.equal(stderr, "broken off: the same command copies the rest\n");
});

it("with --json it is part of the one document alone", async () => {
  assert.equal((await printed([PAIR], 0, true)).stdout, "");
  const { destination: _, ...counts } = PAIR.summary;
  const named = { rule: RULE.id, source: RULE.source.name, destination: DESTINATION.id };
  assert.deepEqual(copyDocument([PAIR]), [{ ...named, isComplete: true, ...counts, left: PAIR.left }]);
});
