import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { onAbort } from "./on-abort.ts";

describe("onAbort", () => {
  it("calls back all that wait when the signal is aborted, and each once", () => {
    const abort = new AbortController();
    const called: string[] = [];
    onAbort(abort.signal, () => called.push("first"));
    onAbort(abort.signal, () => called.push("second"));
    abort.abort();
    abort.abort();
    assert.deepEqual(called, ["first", "second"]);
  });

  it("calls back at once where the signal is aborted already", () => {
    let calls = 0;
    onAbort(AbortSignal.abort(), () => calls++);
    assert.equal(calls, 1);
  });

  it("does not call back who has ended the waiting, not even from the callback before", () => {
    const abort = new AbortController();
    const called: string[] = [];
    const endFirst = onAbort(abort.signal, () => called.push("first"));
    onAbort(abort.signal, () => endThird());
    const endThird = onAbort(abort.signal, () => called.push("third"));
    endFirst();
    abort.abort();
    assert.deepEqual(called, []);
  });

  it("lets the same callback wait twice, and ends one waiting at a time", () => {
    const abort = new AbortController();
    let calls = 0;
    const callback = () => calls++;
    const end = onAbort(abort.signal, callback);
    onAbort(abort.signal, callback);
    end();
    end();
    abort.abort();
    assert.equal(calls, 1);
  });

  it("listens once however many wait, and no more when none does", () => {
    const abort = new AbortController();
    const ends = [1, 2, 3].map(() => onAbort(abort.signal, () => assert.fail("was ended before")));
    assert.equal(getEventListeners(abort.signal, "abort").length, 1);
    for (const end of ends) end();
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    let calls = 0;
    onAbort(abort.signal, () => calls++);
    abort.abort();
    assert.equal(calls, 1);
  });
});
