import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { isGone } from "./is-gone.ts";
import { guardAgainstLeaks } from "./leak-guard.ts";
import { waitFor } from "./wait-for.ts";
import { type Order, WarmRun } from "./warm-process.ts";

const order = (...args: readonly string[]): Order => ({ args, env: {}, cwd: tmpdir() });

describe("warm processes", () => {
  guardAgainstLeaks();

  test("a run ends with its exit code and all of its own output, and the next one finds the process there", async () => {
    const first = await WarmRun.start(order("nonsense"));
    assert.deepEqual(await first.waitForExit(), { code: 2, signal: null });
    assert.match(first.stderr, /^error: there is no command "nonsense"\ntry: .*\n$/);
    const second = await WarmRun.start(order("config", "--schema"));
    assert.deepEqual(await second.waitForExit(), { code: 0, signal: null });
    assert.equal(typeof JSON.parse(second.stdout), "object");
    assert.deepEqual([second.pid, second.stderr], [first.pid, ""]);
  });

  test("two runs at once are in two processes, and a signal reaches the one that it is sent to", async () => {
    const [one, other] = [await WarmRun.start(order("demo", "--for", "60s")), await WarmRun.start(order("demo", "--for", "60s"))];
    assert.notEqual(one.pid, other.pid);
    await waitFor("the demos to run", () => one.stdout + one.stderr !== "" && other.stdout + other.stderr !== "");
    assert.deepEqual(await other.kill(), { code: null, signal: "SIGKILL" });
    assert.deepEqual(await one.stop(), { code: 0, signal: null });
    const next = await WarmRun.start(order("--version"));
    await next.waitForExit();
    assert.notEqual(next.pid, other.pid, "what was killed is used no more");
  });

  test("a warm process does not outlive a test process that is killed", async () => {
    const module = new URL("./warm-process.ts", import.meta.url);
    const source = `
      const { WarmRun } = await import("${module}");
      const run = await WarmRun.start(${JSON.stringify(order("--version"))});
      await run.waitForExit();
      console.log(run.pid);
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "pipe", "inherit"] });
    const [pid] = await once(owner.stdout, "data");
    owner.kill("SIGKILL");
    await once(owner, "close");
    await waitFor("the end of the warm process", () => isGone(Number(String(pid))));
  });
});
