import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProvisionedChange, ProvisionPlan } from "../app/provisioning/provision.ts";
import { changeLine, ruleLines } from "./plan-text.ts";

function rule(action: ProvisionedChange["action"], destination: string, status = "Enabled"): ProvisionedChange {
  const id = `shop-prod/photos/${destination}`;
  const detail = { source: "aws:photos", rule: id, destination: `arn:aws:s3:::${destination}`, status };
  return { action, type: "replication-rule", id: `aws:photos:${id}`, detail };
}

function plan(...changes: readonly ProvisionedChange[]): ProvisionPlan {
  return { steps: [{ changes, make: async () => undefined }], problems: [], notes: [], handOvers: [] };
}

describe("what the plugin prints", () => {
  it("tells of each rule how it stands to the config", () => {
    const role: ProvisionedChange = {
      action: "update",
      type: "replication-rule",
      id: "aws:photos",
      detail: { source: "aws:photos", role: "arn" },
    };
    const wanted = plan(rule("create", "new"), rule("update", "drifted"), rule("delete", "dropped"), rule("delete", "adopted"), role);
    const unwanted = plan(rule("delete", "same"), rule("delete", "off", "Disabled"), rule("delete", "drifted"), rule("delete", "dropped"));
    assert.deepEqual(
      ruleLines(wanted, unwanted).map((line) => line.replace(/^\S+ {2}aws:photos → /, "")),
      [
        "same  applied",
        "off  applied, disabled",
        "drifted  applied, but not as the config says",
        "dropped  applied, and in the config no more",
        "new  not applied",
      ],
    );
  });

  it("prints a change with its sign, and a rule with its destination", () => {
    assert.equal(changeLine(rule("create", "copy")), "+ replication-rule aws:photos:shop-prod/photos/copy → copy");
    assert.equal(changeLine({ action: "delete", type: "role", id: "arn:aws:iam::1:role/x", detail: {} }), "- role arn:aws:iam::1:role/x");
  });
});
