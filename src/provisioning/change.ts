export const CHANGE_TYPES = [
  "bucket",
  "versioning",
  "role",
  "policy",
  "key-policy",
  "replication-rule",
  "queue",
  "notification",
  "backfill",
  "engine",
] as const;
export type ChangeType = (typeof CHANGE_TYPES)[number];

/** One thing that has to change in the world, as `plan --json` prints it. */
export interface PlannedChange {
  readonly action: "create" | "update" | "delete";
  readonly type: ChangeType;
  /** Tells it from all others of its type: a bucket's name, a role's ARN, a rule's id at its bucket. */
  readonly id: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Changes that are made together, by one call or by none. */
export interface Step {
  readonly changes: readonly PlannedChange[];
  /** Made again where it has happened already, it changes nothing. */
  readonly make: () => Promise<void>;
}

export const PROBLEM_CODES = [
  "BucketMissing",
  "BucketForbidden",
  "WrongRegion",
  "WrongAccount",
  "VersioningOff",
  "ObjectLockMismatch",
  "RequesterPays",
  "OlderSchema",
  "OtherOwner",
  "ForeignCrossAccount",
  "TooManyRules",
  "QueueMissing",
  "KeyMissing",
  "KeyDisabled",
  "KeyWrongRegion",
  "KeyNotShared",
  "RoleMissing",
  "NotPermitted",
  "EngineChange",
  "TasksPending",
  "CostAboveLimit",
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** Why nothing is changed. All of them are told at once. */
export interface Problem {
  readonly code: ProblemCode;
  /** What it is about: mostly a bucket's printed name. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
}

/** A policy that another account's admin has to set, because the credentials at hand do not reach there. */
export interface HandOver {
  readonly account: string;
  /** `bucket-policy` is the whole policy with others' statements where it could be read; else ours alone, to be merged. */
  readonly kind: "bucket-policy" | "key-policy";
  readonly subject: string;
  readonly document: unknown;
}

export interface Plan {
  /** In the order in which they are to be made. Empty: nothing has to change. */
  readonly steps: readonly Step[];
  /** Where there are any, no step may be made. */
  readonly problems: readonly Problem[];
  /** What a person should know: what S3 will not do, what it will cost. */
  readonly notes: readonly string[];
  readonly handOvers: readonly HandOver[];
  /** What was there before the rules, where that was counted. */
  readonly existing?: readonly ExistingObjects[] | undefined;
  /** What is to be copied once all steps are made. It is no change: nobody knows how much is left to do before both sides were compared. */
  readonly copies?: readonly ExistingCopy[] | undefined;
}

/**
 * How what was there before a rule gets to its destination. `job`: S3 replicates it by a batch job. `copy`: replicast copies it. Null: not at all,
 * or there is nothing.
 */
export type BackfillWay = "job" | "copy" | null;

/** One pair whose existing objects replicast copies, because S3 cannot be asked to. */
export interface ExistingCopy {
  /** Id of the rule in the config. */
  readonly rule: string;
  /** Canonical id of the source. */
  readonly sourceId: string;
  /** Id of the destination in its rule. */
  readonly destinationId: string;
  /** Another rule stands for the same keys: what S3 calls COMPLETED may be missing at this destination. */
  readonly takesCompleted: boolean;
}

/** What one pair replicates only when it is asked to, with an estimate of what that costs; null where nobody may count. */
export interface ExistingObjects {
  readonly rule: string;
  /** As they are printed. */
  readonly source: string;
  readonly destination: string;
  readonly objects: number | null;
  readonly bytes: number | null;
  /** False: there is more than that. */
  readonly isWhole: boolean;
  /** US dollars. */
  readonly cost: number | null;
  readonly way: BackfillWay;
  /** Why it is this way and no other. */
  readonly why: string;
}
