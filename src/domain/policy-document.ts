/**
 * A policy in IAM's own words, which are the document itself and therefore keep AWS's spelling.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
 */
export interface PolicyDocument {
  readonly Version: string;
  readonly Id?: string | undefined;
  readonly Statement: readonly PolicyStatement[];
}

/** What is not named here belongs to others and goes back as it came. */
export interface PolicyStatement {
  readonly Sid?: string | undefined;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: unknown;
  readonly Action?: string | readonly string[] | undefined;
  readonly Resource?: string | readonly string[] | undefined;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>> | undefined;
  readonly [element: string]: unknown;
}

/** Reads a policy out of its JSON, whose statement stands without a list where it is the only one. */
export function parsePolicy(text: string): PolicyDocument {
  const { Statement = [], ...rest } = JSON.parse(text) as Omit<PolicyDocument, "Statement"> & {
    readonly Statement?: PolicyStatement | readonly PolicyStatement[];
  };
  return { ...rest, Statement: [Statement].flat() };
}
