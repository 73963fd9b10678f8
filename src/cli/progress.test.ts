import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { it } from "node:test";
import { Output } from "./output.ts";
import { formatBytes, Progress } from "./progress.ts";

function shown(options: { readonly isTTY?: boolean; readonly quiet?: boolean; readonly noun?: string }) {
  const stderr = Object.assign(new PassThrough(), { isTTY: options.isTTY === true, columns: 100 });
  const output = new Output({
    stdout: new PassThrough(),
    stderr,
    json: false,
    quiet: options.quiet === true,
    verbose: false,
    color: false,
  });
  let time = 0;
  const progress = new Progress({ output, noun: options.noun, now: () => time });
  const after = (ms: number) => {
    time = ms;
  };
  const at = (ms: number, done: number) => {
    time = ms;
    progress.update({ done, total: 1000, bytes: done * 1024, totalBytes: 1000 * 1024 });
  };
  const text = () => String(stderr.read() ?? "");
  return { output, progress, at, after, text };
}

it("prints a line per 10 s where stderr is no terminal", () => {
  const { at, text, progress } = shown({});
  for (let second = 1; second <= 25; second++) at(second * 1000, second * 10);
  assert.deepEqual(text().split("\n"), [
    "100/1000 objects  10/s  100.0 KiB  10.0 KiB/s  ETA 1m30s",
    "200/1000 objects  10/s  200.0 KiB  10.0 KiB/s  ETA 1m20s",
    "",
  ]);
  progress.stop();
});

it("redraws one line on a terminal, keeps it below other lines, and takes it away", () => {
  const { at, text, progress, output } = shown({ isTTY: true });
  at(1000, 10);
  assert.equal(text(), "\r\u001b[K10/1000 objects  10/s  10.0 KiB  10.0 KiB/s  ETA 1m39s");
  output.info("by the way");
  assert.match(text(), /^\r\u001b\[Kby the way\n10\/1000/);
  progress.stop();
  assert.equal(text(), "\r\u001b[K");
});

it("leaves bytes out where none are counted", () => {
  const { progress, text, after } = shown({ noun: "objects compared" });
  after(10_000);
  progress.update({ done: 50 });
  assert.equal(text(), "50 objects compared  5.0/s\n");
  progress.stop();
});

it("is silent with -q", () => {
  const { at, text, progress } = shown({ isTTY: true, quiet: true });
  at(60_000, 10);
  progress.stop();
  assert.equal(text(), "");
});

it("prints bytes for people", () => {
  assert.deepEqual([0, 512, 1536, 2 ** 30].map(formatBytes), ["0 B", "512 B", "1.5 KiB", "1.0 GiB"]);
});
