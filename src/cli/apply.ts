import type { Command } from "commander";
import type { ProvisionedChange, ProvisionRun } from "../app/provision.ts";
import { examples, type Invocation } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { EXIT } from "./output.ts";
import { isAllowed, lockOption, provisionOptions, provisionRun, waitNotice } from "./provisioning.ts";

export function define(command: Command): void {
  lockOption(provisionOptions(command)).addHelpText("after", examples("apply", "apply --wait 5m", "apply --backfill --json"));
}

/** Makes the world what the rules need. Where it is so already nothing is changed, and where anything is missing neither. */
export function run(invocation: Invocation): Promise<number> {
  return change(invocation, "present");
}

/** Makes all changes towards an aim, one after the other, and prints those that were made, also where not all could be. */
export async function change(invocation: Invocation, aim: ProvisionRun["aim"]): Promise<number> {
  const { output, cwd } = invocation;
  const { applyPlan } = await import("../app/provision.ts");
  const { writeHandOvers } = await import("../app/hand-overs.ts");
  const { printPlan } = await import("./plan-text.ts");
  const asked = await provisionRun(invocation, aim);
  const soFar: ProvisionedChange[] = [];
  const onChange = (change: ProvisionedChange) => void soFar.push(change);
  return interruptible(async (signal) => {
    const done = applyPlan({ ...asked, signal, onChange, onWait: waitNotice(output) });
    const { plan, made, isComplete } = await done.catch((error: unknown) => {
      if (soFar.length > 0)
        output.warn(`stopped after ${soFar.length} changes: the next ${aim === "present" ? "apply" : "destroy"} completes them`);
      throw error;
    });
    if (plan.problems.length === 0) await writeHandOvers(cwd ?? process.cwd(), plan.handOvers);
    await printPlan(output, plan, made);
    if (plan.problems.length > 0) {
      output.info("nothing was changed");
      return isAllowed(plan.problems, invocation) ? EXIT.done : EXIT.failed;
    }
    output.info(made.length === 0 ? "nothing had to change" : `${made.length} changed`);
    return isComplete ? EXIT.done : EXIT.failed;
  });
}
