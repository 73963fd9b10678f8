import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyStatement } from "../../domain/policy-document.ts";
import { isSamePolicy } from "./same-policy.ts";

const ONE: PolicyStatement = { Sid: "One", Effect: "Allow", Action: ["s3:A", "s3:B"], Resource: "arn:aws:s3:::b" };
const TWO: PolicyStatement = { Effect: "Allow", Action: "s3:C", Resource: "*", Condition: { StringLike: { k: ["a", "b"] } } };
const policy = (...Statement: readonly PolicyStatement[]) => ({ Version: "2012-10-17", Statement });

for (const [what, other, same] of [
  ["the same", policy(ONE, TWO), true],
  ["statements in another order", policy(TWO, ONE), true],
  ["lists in another order", policy({ ...ONE, Action: ["s3:B", "s3:A"] }, TWO), true],
  ["a list of one", policy({ ...ONE, Resource: ["arn:aws:s3:::b"] }, TWO), true],
  ["elements in another order", policy({ Resource: "arn:aws:s3:::b", Action: ["s3:A", "s3:B"], Effect: "Allow", Sid: "One" }, TWO), true],
  ["values of a condition in another order", policy(ONE, { ...TWO, Condition: { StringLike: { k: ["b", "a"] } } }), true],
  ["an element that is absent, said", policy({ ...ONE, Condition: undefined }, TWO), true],
  ["one statement less", policy(ONE), false],
  ["one action more", policy({ ...ONE, Action: ["s3:A", "s3:B", "s3:C"] }, TWO), false],
  ["another effect", policy({ ...ONE, Effect: "Deny" }, TWO), false],
  ["another resource", policy({ ...ONE, Resource: "arn:aws:s3:::c" }, TWO), false],
  ["no condition", policy(ONE, { ...TWO, Condition: undefined }), false],
  ["another operator", policy(ONE, { ...TWO, Condition: { StringEquals: { k: ["a", "b"] } } }), false],
  ["one value that reads like two", policy({ ...ONE, Action: 's3:A","s3:B' }, TWO), false],
  ["another version", { ...policy(ONE, TWO), Version: "2008-10-17" }, false],
] as const) {
  test(`whether two policies say the same: ${what}`, () => {
    assert.equal(isSamePolicy(policy(ONE, TWO), other), same);
    assert.equal(isSamePolicy(other, policy(ONE, TWO)), same);
  });
}
