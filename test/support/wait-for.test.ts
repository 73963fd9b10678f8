import assert from "node:assert/strict";
import { test } from "node:test";
import { waitFor } from "./wait-for.ts";

test("waitFor returns the first truthy value", async () => {
  const answers = [undefined, 0, "", "found"];
  assert.equal(await waitFor("a value", () => answers.shift(), { intervalMs: 1 }), "found");
});

test("waitFor names what it waited for and the last error", async () => {
  const check = (): never => {
    throw new Error("the last error");
  };
  await assert.rejects(waitFor("a miracle", check, { timeoutMs: 20, intervalMs: 5 }), /20 ms for a miracle; last seen: the last error/);
});

test("waitFor gives up on a check that hangs", async () => {
  await assert.rejects(
    waitFor("an answer", () => new Promise<never>(() => {}), { timeoutMs: 20 }),
    /a check that did not return/,
  );
});
