import type { ProvisionRun } from "../app/provisioning/provision.ts";
import { parseDuration } from "../config/units.ts";
import { ReplicationError } from "../domain/error.ts";
import type { PluginCommand } from "./framework.ts";

/** What `plan` and `apply` may be told. */
const APPLY_OPTIONS: PluginCommand["options"] = {
  "allow-missing": { usage: "Succeed where nothing but buckets is missing; nothing is changed", type: "boolean" },
  wait: { usage: "Wait for missing buckets, such as 5m", type: "string" },
  "convert-v1": { usage: "Put others' rules of S3's older replication schema into the newer one", type: "boolean" },
  replace: { usage: "Remove others' replication rules from the sources", type: "boolean" },
  "allow-engine-change": { usage: "Let rules go from replicast's copy to S3's own replication, or back", type: "boolean" },
};

/** `serverless replicast …`. Each has one event, of its own name. */
export const COMMANDS: Readonly<Record<string, PluginCommand>> = {
  replicast: {
    usage: "Replicate S3 buckets",
    commands: {
      plan: { usage: "Print what apply would change, and change nothing", lifecycleEvents: ["plan"], options: APPLY_OPTIONS },
      apply: { usage: "Set up the replication rules, as deploy does", lifecycleEvents: ["apply"], options: APPLY_OPTIONS },
      status: { usage: "Print which replication rules S3 has", lifecycleEvents: ["status"] },
      destroy: { usage: "Remove all that was set up for this service and stage, in every region", lifecycleEvents: ["destroy"] },
    },
  },
};

/** What a person asked of a command. */
export interface Asked {
  readonly provision: NonNullable<ProvisionRun["options"]>;
  readonly allowMissing: boolean;
}

/** @throws ReplicationError `ConfigInvalid` where an option cannot be read */
export function readOptions(options: Readonly<Record<string, unknown>>): Asked {
  const isOn = (name: string) => options[name] === true;
  const { wait } = options;
  const waitMs = typeof wait === "string" ? parseDuration(wait) : 0;
  if (waitMs === undefined) throw new ReplicationError("ConfigInvalid", `--wait ${wait} is no duration`, { hint: "--wait 5m" });
  return {
    provision: {
      waitMs,
      convertV1: isOn("convert-v1"),
      replace: isOn("replace"),
      allowEngineChange: isOn("allow-engine-change"),
    },
    allowMissing: isOn("allow-missing"),
  };
}
