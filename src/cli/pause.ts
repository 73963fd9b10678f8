import type { Command } from "commander";
import type { RuleStateDocument } from "../control-plane/contract.ts";
import { examples, type Invocation } from "./command.ts";
import { operateOnRules } from "./operate.ts";
import { EXIT } from "./output.ts";

export function define(command: Command): void {
  command.argument("<rule>", "a rule's id").addHelpText("after", examples("pause photos", "pause photos --server http://127.0.0.1:8417"));
}

/** Stops work on a rule until it is resumed; what changes meanwhile waits. */
export function run(invocation: Invocation): Promise<number> {
  return setPaused(invocation, true);
}

/** Pauses or resumes the rule that was named. */
export async function setPaused(invocation: Invocation, paused: boolean): Promise<number> {
  const [rule = ""] = invocation.args;
  const operations = await import("../control-plane/operations.ts");
  const document = await operateOnRules<RuleStateDocument>(invocation, {
    path: `/api/v1/rules/${encodeURIComponent(rule)}/${paused ? "pause" : "resume"}`,
    body: {},
    onState: (scope) => operations.setPaused(scope, rule, paused),
  });
  if (invocation.output.json) await invocation.output.document(document);
  else await invocation.output.line(`${document.rule}  ${document.state}`);
  return EXIT.done;
}
