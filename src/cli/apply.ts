import type { Command } from "commander";
import type { ProvisionedChange, ProvisionPlan, ProvisionRun } from "../app/provisioning/provision.ts";
import { ReplicationError } from "../domain/error.ts";
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
  const { applyPlan } = await import("../app/provisioning/provision.ts");
  const { writeHandOvers } = await import("../app/provisioning/hand-overs.ts");
  const { printFailure, printPlan } = await import("./plan-text.ts");
  const asked = await provisionRun(invocation, aim);
  const soFar: ProvisionedChange[] = [];
  let carriedOut: ProvisionPlan | undefined;
  const onChange = (change: ProvisionedChange) => void soFar.push(change);
  const onPlan = async (plan: ProvisionPlan) => {
    // Before any change: that they cannot be written must not be found out when everything else is done.
    await writeHandOvers(cwd ?? process.cwd(), plan.handOvers).catch((error: unknown) => {
      throw notWritten(error);
    });
    carriedOut = plan;
  };
  return interruptible(async (signal) => {
    const done = applyPlan({ ...asked, signal, onPlan, onChange, onWait: waitNotice(output) });
    const { plan, made, isComplete } = await done.catch(async (error: unknown) => {
      await printFailure(output, { plan: carriedOut, made: soFar, error });
      if (soFar.length > 0)
        output.warn(`stopped after ${soFar.length} changes: the next ${aim === "present" ? "apply" : "destroy"} completes them`);
      throw error;
    });
    const allowed = isAllowed(plan.problems, invocation);
    await printPlan(output, plan, { changes: made, isAllowed: allowed });
    if (plan.problems.length > 0) {
      output.info(made.length === 0 ? "nothing was changed" : `stopped after ${made.length} changes`);
      return allowed && made.length === 0 ? EXIT.done : EXIT.failed;
    }
    output.info(made.length === 0 ? "nothing had to change" : `${made.length} changed`);
    return isComplete ? EXIT.done : EXIT.failed;
  });
}

function notWritten(cause: unknown): ReplicationError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const hint = "run it in a directory that can be written to";
  return new ReplicationError("InvalidRequest", `a policy for another account's admin cannot be written: ${why}`, { cause, hint });
}
