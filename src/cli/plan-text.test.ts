import assert from "node:assert/strict";
import { it } from "node:test";
import type { ProvisionedChange } from "../app/provision.ts";
import { changeLines } from "./plan-text.ts";

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
