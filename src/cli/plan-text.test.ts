import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { ProvisionedChange, ProvisionPlan } from "../app/provisioning/provision.ts";
import { ReplicationError } from "../domain/error.ts";
import { Output } from "./output.ts";
import { changeLines, printFailure, printPlan } from "./plan-text.ts";

it("a plan is printed in groups, one change a line, each with its sign", () => {
  const changes: readonly ProvisionedChange[] = [
    { action: "create", type: "bucket", id: "aws:b", detail: { region: "eu-west-1", objectLock: false } },
    { action: "update", type: "versioning", id: "aws:b", detail: { status: "Enabled" } },
    { action: "create", type: "replication-rule", id: "aws:a:acme/r/b", detail: { destination: "arn:aws:s3:::b", status: "Disabled" } },
    { action: "delete", type: "role", id: "arn:aws:iam::1:role/old", detail: { name: "old", source: "aws:a" } },
    { action: "create", type: "queue", id: "acme-a-1", detail: { region: "eu-west-1", source: "aws:a" } },
    { action: "create", type: "policy", id: "acme-a-1", detail: { queue: "acme-a-1", allows: "s3.amazonaws.com", sources: ["aws:a"] } },
    { action: "create", type: "notification", id: "aws:a:acme/events", detail: { queue: "acme-a-1", events: ["s3:ObjectCreated:*"] } },
    { action: "update", type: "engine", id: "r", detail: { before: "copy", engine: "native", why: "the rule says so" } },
  ];
  assert.deepEqual(changeLines(changes), [
    "buckets",
    "  + aws:b  made in eu-west-1",
    "  ~ aws:b  versioning Enabled, which cannot be undone",
    "roles and policies",
    "  - arn:aws:iam::1:role/old  of aws:a",
    "  + acme-a-1  lets s3.amazonaws.com send events of aws:a",
    "replication rules",
    "  + aws:a:acme/r/b  → arn:aws:s3:::b (disabled)",
    "queues",
    "  + acme-a-1  in eu-west-1, of aws:a",
    "notifications",
    "  + aws:a:acme/events  → acme-a-1 (s3:ObjectCreated:*)",
    "engines",
    "  ~ r  copy → native: the rule says so",
  ]);
});

async function printed(
  print: (output: Output) => Promise<void>,
  json = false,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output({ stdout, stderr, json, quiet: false, verbose: false, color: false });
  await print(output);
  output.release();
  return { stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

const MADE: readonly ProvisionedChange[] = [{ action: "create", type: "bucket", id: "aws:b", detail: { region: "eu-west-1" } }];
const PROBLEM = { code: "BucketMissing", subject: "aws:gone", message: "does not exist", hint: "create it" } as const;
const PLAN: ProvisionPlan = { steps: [], problems: [], notes: ["mind the gap"], handOvers: [] };

describe("problems", () => {
  it("are errors, each with what to try, where they end the command", async () => {
    const { stderr } = await printed((output) => printPlan(output, { ...PLAN, problems: [PROBLEM] }, { changes: [] }));
    assert.equal(stderr, "note: mind the gap\nerror: aws:gone: does not exist\ntry: create it\n");
  });

  it("that are allowed are warnings", async () => {
    const { stderr } = await printed((output) =>
      printPlan(output, { ...PLAN, notes: [], problems: [PROBLEM] }, { changes: [], isAllowed: true }),
    );
    assert.equal(stderr, "warning: aws:gone: does not exist\ntry: create it\n");
  });
});

describe("a failure midway", () => {
  const error = new ReplicationError("AccessDenied", "may not", { hint: "allow it" });

  it("prints one document with --json: what was made, the plan's notes, and the error", async () => {
    const { stdout, stderr } = await printed((output) => printFailure(output, { plan: PLAN, made: MADE, error }), true);
    assert.deepEqual(JSON.parse(stdout), {
      schemaVersion: 1,
      changes: MADE,
      problems: [],
      notes: ["mind the gap"],
      handOvers: [],
      existingObjects: [],
      error: { code: "AccessDenied", message: "may not", hint: "allow it", operation: null },
    });
    assert.equal(stderr, "");
  });

  it("lists what was made", async () => {
    const { stdout, stderr } = await printed((output) => printFailure(output, { plan: PLAN, made: MADE, error }));
    assert.equal(stdout, "buckets\n  + aws:b  made in eu-west-1\n");
    assert.equal(stderr, "note: mind the gap\n");
  });

  it("before any plan prints nothing but the document of --json", async () => {
    assert.deepEqual(await printed((output) => printFailure(output, { plan: undefined, made: [], error })), { stdout: "", stderr: "" });
    const { stdout } = await printed((output) => printFailure(output, { plan: undefined, made: [], error }), true);
    assert.deepEqual([JSON.parse(stdout).changes, JSON.parse(stdout).error.code], [[], "AccessDenied"]);
  });
});
