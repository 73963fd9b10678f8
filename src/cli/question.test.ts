import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { GlobalOptions, Invocation } from "./command.ts";
import { Output } from "./output.ts";
import { agrees, canAsk } from "./question.ts";

const NEVER = new AbortController().signal;
const GLOBAL: GlobalOptions = { json: false, quiet: false, verbose: false, color: false, yes: false };

interface Room {
  readonly stdin?: boolean;
  readonly stderr?: boolean;
  readonly global?: Partial<GlobalOptions>;
}

/** A command with a keyboard and a screen, either of which may be something else. */
function sitting({ stdin = true, stderr = true, global = {} }: Room = {}) {
  const keyboard = Object.assign(new PassThrough(), { isTTY: stdin });
  const screen = Object.assign(new PassThrough(), { isTTY: stderr, columns: 80 });
  const options = { ...GLOBAL, ...global };
  const output = new Output({ ...options, stdout: new PassThrough(), stderr: screen });
  const invocation: Invocation = { output, stdin: keyboard, global: options, env: {}, args: [], options: {} };
  return { invocation, keyboard, screen };
}

describe("questions", () => {
  it("are put to a person at a terminal, and to nobody else", () => {
    assert.equal(canAsk(sitting().invocation), true);
    for (const room of [
      { stdin: false },
      { stderr: false },
      { global: { yes: true } },
      { global: { json: true } },
      { global: { quiet: true } },
    ])
      assert.equal(canAsk(sitting(room).invocation), false, JSON.stringify(room));
  });

  for (const [typed, answer] of [
    ["y\n", true],
    [" YES \n", true],
    ["n\n", false],
    ["\n", false],
    ["yesterday\n", false],
  ] as const) {
    it(`take ${JSON.stringify(typed)} for ${answer}`, async () => {
      const { invocation, keyboard, screen } = sitting();
      keyboard.write(typed);
      assert.equal(await agrees(invocation, "Remove it?", NEVER), answer);
      assert.equal(String(screen.read()), "Remove it? [y/N]\n");
    });
  }

  it("are answered with no by who closes the terminal, and by Ctrl-C", async () => {
    const closed = sitting();
    closed.keyboard.end();
    assert.equal(await agrees(closed.invocation, "Remove it?", NEVER), false);
    const controller = new AbortController();
    const answer = agrees(sitting().invocation, "Remove it?", controller.signal);
    controller.abort();
    assert.equal(await answer, false);
  });
});
