import type { Rule } from "../domain/rule.ts";
import type { Path } from "./problem.ts";
import type { RuleSettings } from "./resolved-config.ts";

/** A rule that resolved, and where it and its buckets stand in the file. */
export interface PlacedRule {
  readonly rule: Rule;
  readonly path: Path;
  readonly sourcePath: Path;
  /** In the order of the rule's destinations. */
  readonly destinationPaths: readonly Path[];
  readonly settings: Pick<RuleSettings, "engine" | "saysConflict">;
}
