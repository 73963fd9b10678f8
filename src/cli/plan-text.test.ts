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
    { action: "update", type: "engine", id: "r", detail: { before: "copy", engine: "native", why: "the rule says so" } },
  ];
  assert.deepEqual(changeLines(changes), [
    "buckets",
    "  + aws:b  made in eu-west-1",
    "  ~ aws:b  versioning Enabled, which cannot be undone",
    "roles and policies",
    "  - arn:aws:iam::1:role/old  of aws:a",
    "replication rules",
    "  + aws:a:acme/r/b  → arn:aws:s3:::b (disabled)",
    "engines",
    "  ~ r  copy → native: the rule says so",
  ]);
});
