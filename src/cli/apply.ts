import type { Command } from "commander";
import type { Applied, CarriedOut, ProvisionedChange, ProvisionPlan, ProvisionRun } from "../app/provisioning/provision.ts";
import { ReplicationError } from "../domain/error.ts";
import { examples, type Invocation } from "./command.ts";
import { CopyReport } from "./copy-report.ts";
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

/**
 * Makes all changes towards an aim, one after the other, and prints those that were made, also where not all could be. Then copies the existing
 * objects that S3 cannot be asked for.
 */
export async function change(invocation: Invocation, aim: ProvisionRun["aim"]): Promise<number> {
  const { output, cwd } = invocation;
  const { applyPlan } = await import("../app/provisioning/provision.ts");
  const { writeHandOvers } = await import("../app/provisioning/hand-overs.ts");
  const { printFailure } = await import("./plan-text.ts");
  const asked = await provisionRun(invocation, aim);
  const soFar: ProvisionedChange[] = [];
  let carriedOut: ProvisionPlan | undefined;
  let isCarriedOut = false;
  const report = new CopyReport(output);
  const onChange = (change: ProvisionedChange) => void soFar.push(change);
  const onPlan = async (plan: ProvisionPlan) => {
    // Before any change: that they cannot be written must not be found out when everything else is done.
    await writeHandOvers(cwd ?? process.cwd(), plan.handOvers).catch((error: unknown) => {
      throw notWritten(error);
    });
    carriedOut = plan;
  };
  const onCarriedOut = async (outcome: CarriedOut) => {
    if (!output.json) await printOutcome(outcome, invocation);
    isCarriedOut = true;
  };
  return interruptible(async (signal) => {
    const told = { onPlan, onChange, onCarriedOut, onCopy: report.onCopy, onWait: waitNotice(output) };
    try {
      const applied = await applyPlan({ ...asked, ...told, signal });
      if (output.json) await printOutcome(applied, invocation);
      await report.end(applied.copied);
      return exitCode(applied, invocation);
    } catch (error) {
      report.stop();
      if (output.json || !isCarriedOut) await printFailure(output, { plan: carriedOut, made: soFar, error });
      if (isCarriedOut) output.warn("everything was applied, but not all existing objects are copied: the same command copies the rest");
      else if (soFar.length > 0)
        output.warn(`stopped after ${soFar.length} changes: the next ${aim === "present" ? "apply" : "destroy"} completes them`);
      throw error;
    }
  });
}

async function printOutcome({ plan, made, copied }: Outcome, invocation: Invocation): Promise<void> {
  const { output } = invocation;
  const { printPlan } = await import("./plan-text.ts");
  await printPlan(output, plan, { changes: made, isAllowed: isAllowed(plan.problems, invocation), copied });
  if (plan.problems.length > 0) output.info(made.length === 0 ? "nothing was changed" : `stopped after ${made.length} changes`);
  else output.info(made.length === 0 ? "nothing had to change" : `${made.length} changed`);
}

/** What was copied is told where it is over. */
type Outcome = CarriedOut & Partial<Pick<Applied, "copied">>;

function exitCode({ plan, made, isComplete, copied }: Applied, invocation: Invocation): number {
  if (plan.problems.length > 0) return isAllowed(plan.problems, invocation) && made.length === 0 ? EXIT.done : EXIT.failed;
  return isComplete && copied.every(({ summary }) => summary.failed === 0) ? EXIT.done : EXIT.failed;
}

function notWritten(cause: unknown): ReplicationError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const hint = "run it in a directory that can be written to";
  return new ReplicationError("InvalidRequest", `a policy for another account's admin cannot be written: ${why}`, { cause, hint });
}
