import type { PolicyStatement } from "../../domain/policy-document.ts";
import { isSameStatement } from "./same-policy.ts";

/** Ends the Sid of a statement that another took the place of. */
const FORMER = "Former";

/** What is wanted, and what was there and says something else: each under a Sid of its own, as IAM asks of one policy. */
export function withKept(wanted: readonly PolicyStatement[], found: readonly PolicyStatement[]): readonly PolicyStatement[] {
  const used = new Set([...wanted, ...found].map(({ Sid }) => Sid));
  const taken = new Set(wanted.map(({ Sid }) => Sid));
  const kept = found.filter((statement) => !wanted.some((other) => isSameStatement(other, statement)));
  return [
    ...wanted,
    ...kept.map((statement) => {
      if (!taken.has(statement.Sid)) return statement;
      const Sid = unused(`${statement.Sid ?? ""}${FORMER}`, used);
      used.add(Sid);
      return { ...statement, Sid };
    }),
  ];
}

function unused(sid: string, used: ReadonlySet<string | undefined>): string {
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? sid : `${sid}${count}`;
    if (!used.has(candidate)) return candidate;
  }
}
