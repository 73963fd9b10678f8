import type { PolicyDocument, PolicyStatement } from "../../domain/policy-document.ts";

/** Is true for policies that say the same: neither the order of statements and lists matters, nor whether one string stands in a list. */
export function isSamePolicy(a: PolicyDocument, b: PolicyDocument): boolean {
  return canonical(a) === canonical(b);
}

export function isSameStatement(a: PolicyStatement, b: PolicyStatement): boolean {
  return canonical(a) === canonical(b);
}

/** Text that two values share exactly where they mean the same in a policy, in which every list is a set. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) {
    const items = [...new Set(value.map(canonical))].sort();
    return items.length === 1 ? (items[0] ?? "") : `[${items.join(",")}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${entries
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
    .sort()
    .join(",")}}`;
}
