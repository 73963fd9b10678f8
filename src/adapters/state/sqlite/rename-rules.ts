import { openForWriting } from "./database.ts";
import { toLedgerError } from "./sqlite-error.ts";

/** Everything that is kept under a rule's id. A row that is there under the new name already stays as it is. */
const RENAMES = [
  "UPDATE OR IGNORE route SET rule = ?2 WHERE rule = ?1",
  "UPDATE OR IGNORE gate SET rule = ?2 WHERE rule = ?1",
  "UPDATE conflict SET rule = ?2, conflict = json_set(conflict, '$.rule', ?2) WHERE rule = ?1",
  "UPDATE OR IGNORE sync_progress SET rule = ?2 || substr(rule, length(?1) + 1) WHERE rule = ?1 OR rule LIKE ?1 || ' %'",
  "UPDATE OR IGNORE rule_since SET rule = ?2 WHERE rule = ?1",
  "UPDATE OR IGNORE paused_rule SET rule = ?2 WHERE rule = ?1",
  "UPDATE OR IGNORE rule_engine SET rule = ?2 WHERE rule = ?1",
] as const;

/** A rule's old id and the one it has now. */
export type RenamedRule = readonly [from: string, to: string];

/** Lets what is known of rules go on under their new ids. Done once: where nothing has the old id nothing changes. */
export function renameRules(path: string, renamed: readonly RenamedRule[]): void {
  if (renamed.length === 0) return;
  const db = openForWriting(path);
  try {
    db.exec("BEGIN IMMEDIATE");
    for (const [from, to] of renamed) for (const sql of RENAMES) db.prepare(sql).run(from, to);
    db.exec("COMMIT");
  } catch (error) {
    throw toLedgerError(error, "rename");
  } finally {
    db.close();
  }
}
