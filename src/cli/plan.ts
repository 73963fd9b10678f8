import type { Command } from "commander";
import { examples, type Invocation } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { EXIT } from "./output.ts";
import { isAllowed, provisionOptions, provisionRun, waitNotice } from "./provisioning.ts";

export function define(command: Command): void {
  provisionOptions(command)
    .option("--exit-code", "exit 3 where anything has to change")
    .addHelpText("after", examples("plan", "plan --exit-code", "plan --json"));
}

/** Prints what `apply` would change, and what stands in the way. Changes nothing. */
export async function run(invocation: Invocation): Promise<number> {
  const { output, options } = invocation;
  const { withPlan } = await import("../app/provisioning/provision.ts");
  const { printPlan } = await import("./plan-text.ts");
  const asked = await provisionRun(invocation, "present");
  return interruptible((signal) =>
    withPlan({ ...asked, signal, onWait: waitNotice(output) }, async (plan) => {
      const changes = plan.steps.flatMap((step) => step.changes);
      const allowed = isAllowed(plan.problems, invocation);
      await printPlan(output, plan, { changes, isAllowed: allowed });
      if (!allowed) return EXIT.failed;
      if (changes.length === 0 && plan.problems.length === 0) output.info("nothing has to change");
      return options["exitCode"] === true && plan.steps.length > 0 ? EXIT.different : EXIT.done;
    }),
  );
}
