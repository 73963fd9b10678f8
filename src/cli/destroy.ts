import type { Command } from "commander";
import { change } from "./apply.ts";
import { examples, type Invocation } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { EXIT } from "./output.ts";
import { lockOption, provisionRun } from "./provisioning.ts";
import { agrees, canAsk } from "./question.ts";

export function define(command: Command): void {
  lockOption(command).addHelpText("after", examples("destroy", "destroy --yes", "destroy --json"));
}

/** Removes what `apply` made under this config's name, and nothing else. Objects and buckets stay. On a terminal it shows what, and asks. */
export async function run(invocation: Invocation): Promise<number> {
  const code = canAsk(invocation) ? await ask(invocation) : EXIT.done;
  if (code === EXIT.done) return change(invocation, "absent");
  invocation.output.info("nothing was removed");
  return code;
}

/** Resolves with "done" also where there is nothing to ask about. */
async function ask(invocation: Invocation): Promise<number> {
  const { output } = invocation;
  const { withPlan } = await import("../app/provisioning/provision.ts");
  const { printPlan } = await import("./plan-text.ts");
  const asked = await provisionRun(invocation, "absent");
  return interruptible((signal) =>
    withPlan({ ...asked, signal }, async (plan) => {
      const changes = plan.steps.flatMap((step) => step.changes);
      if (changes.length === 0 || plan.problems.length > 0) return EXIT.done;
      await printPlan(output, plan, { changes, isAllowed: false });
      return (await agrees(invocation, "Remove all of this?", signal)) ? EXIT.done : EXIT.failed;
    }),
  );
}
