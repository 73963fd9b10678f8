import assert from "node:assert/strict";
import type { BoundUpload } from "../ports/uploads.ts";
import { describeState, PHOTOS, type StateCases, type StateContract } from "./state-contract.ts";

/** Holds an adapter to the promises of `Uploads`. */
export function describeUploads(contract: StateContract): void {
  describeState("Uploads", contract, cases);
}

function uploadOf(overrides: Partial<BoundUpload> = {}): BoundUpload {
  const { source, destination } = PHOTOS;
  return { source, key: "k", destination, destinationKey: "to/k", uploadId: "one", pin: "p", memo: "{}", ...overrides };
}

const cases: StateCases = {
  "an upload is bound to its place alone, and outlives the process (invariant 2)": async (harness, reopened) => {
    const odd = uploadOf({ key: "k\0\n\u{1f600}", uploadId: "odd", memo: '{"\u00fc":"\\u0000"}' });
    const others = [uploadOf({ source: "s3://x/y" }), uploadOf({ destination: "s3://x/y" }), uploadOf({ destinationKey: "k" })];
    for (const upload of [uploadOf(), odd, ...others]) await harness.state.uploads.bind(upload);
    const next = await harness.reopen();
    reopened(next);
    const { uploads } = next.state;
    assert.deepEqual(await uploads.bound(uploadOf()), uploadOf());
    assert.deepEqual(await uploads.bound(odd), odd);
    assert.equal(await uploads.bound(uploadOf({ key: "other" })), undefined);
    assert.equal((await uploads.all()).length, 5);
  },
  "a later upload takes the place of an earlier one": async ({ state: { uploads } }) => {
    await uploads.bind(uploadOf());
    const later = uploadOf({ uploadId: "two", pin: "q", memo: "{ }" });
    await uploads.bind(later);
    assert.deepEqual(await uploads.all(), [later]);
  },
  "an upload that is released is forgotten, and one that took its place is not": async ({ state: { uploads } }) => {
    const later = uploadOf({ uploadId: "two" });
    await uploads.bind(uploadOf());
    await uploads.bind(later);
    await uploads.release(uploadOf());
    assert.deepEqual(await uploads.bound(uploadOf()), later);
    await uploads.release(later);
    await uploads.release(later);
    assert.deepEqual(await uploads.all(), []);
  },
};
