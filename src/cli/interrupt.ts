/**
 * Runs a one-shot command with a signal that aborts on the first SIGINT or SIGTERM. Resolves with 130 or 143 where one came, whatever the
 * command returned: it then finished what was in flight, no more. A second signal ends the process as if nobody had listened.
 */
export async function interruptible(run: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  let status: number | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    status ??= name === "SIGINT" ? 130 : 143;
    controller.abort();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    const code = await run(controller.signal);
    return status ?? code;
  } catch (error) {
    if (status !== undefined) return status;
    throw error;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
