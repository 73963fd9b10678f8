import type { CommandModule } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Is true where `--server` says whom to ask. */
  readonly asksDaemon?: true;
  readonly load: () => Promise<CommandModule>;
}

/** The commands of this version, in the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  demo: { summary: "see it work: two S3 stores in this process, a writer, and replication", load: () => import("./demo.ts") },
  init: { summary: "write a commented replicast.yaml", load: () => import("./init.ts") },
  import: {
    summary: "write a replicast.yaml from a serverless.yml, or from what buckets of AWS replicate",
    load: () => import("./import.ts"),
  },
  validate: { summary: "check the config and print what it resolves to", load: () => import("./validate.ts") },
  doctor: {
    summary: "try every bucket: rights, versioning, clocks, what each store honours",
    asksDaemon: true,
    load: () => import("./doctor.ts"),
  },
  plan: { summary: "show what apply would change", load: () => import("./plan.ts") },
  apply: { summary: "set up what the rules need: notifications, and S3's own replication", load: () => import("./apply.ts") },
  destroy: { summary: "remove what apply has set up", load: () => import("./destroy.ts") },
  run: { summary: "replicate what the config says until told to stop", load: () => import("./run.ts") },
  status: { summary: "show lag, backlog and failures, or one object", asksDaemon: true, load: () => import("./status.ts") },
  objects: { summary: "list the rows of the ledger", asksDaemon: true, load: () => import("./objects.ts") },
  explain: { summary: "tell why an object is, or is not, where the rules say", asksDaemon: true, load: () => import("./explain.ts") },
  failures: { summary: "list, redrive or discard what was given up", asksDaemon: true, load: () => import("./failures.ts") },
  deletes: { summary: "list, approve or reject deletes that are held", asksDaemon: true, load: () => import("./deletes.ts") },
  conflicts: { summary: "list or resolve objects written at two buckets at once", asksDaemon: true, load: () => import("./conflicts.ts") },
  pause: { summary: "stop work on a rule, until it is resumed", asksDaemon: true, load: () => import("./pause.ts") },
  resume: { summary: "take up a rule that was paused", asksDaemon: true, load: () => import("./resume.ts") },
  verify: { summary: "compare source and destinations, change nothing", load: () => import("./verify.ts") },
  sync: { summary: "copy what is missing or different, now", load: () => import("./sync.ts") },
  "rebuild-ledger": { summary: "put a lost or old ledger together again from the buckets", load: () => import("./rebuild-ledger.ts") },
  config: { summary: "print the effective config, with where each value came from", load: () => import("./config.ts") },
};

/** Commands of later versions: known, so that nobody takes them for a slip of the pen. */
export const LATER_COMMANDS: readonly string[] = ["autopilot", "failover", "failback", "drill"];
