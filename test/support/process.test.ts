import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { freePort } from "./free-port.ts";
import { isGone } from "./is-gone.ts";
import { guardAgainstLeaks } from "./leak-guard.ts";
import { LogRing } from "./log-ring.ts";
import { type ProcessOptions, startProcess } from "./process.ts";
import { startServer } from "./server.ts";
import { waitFor } from "./wait-for.ts";

function shell(script: string, options: Partial<ProcessOptions> = {}): ProcessOptions {
  return { name: "shell", command: "/bin/sh", args: ["-c", script], ready: async () => true, ...options };
}

describe("server processes", () => {
  guardAgainstLeaks();

  test("a process that ends early fails at once, with what it printed", async () => {
    const options = shell("echo the reason >&2; exit 3", { ready: async () => false });
    await assert.rejects(startProcess(options), /shell ended before it was ready \(code 3\); its output ends with:\nthe reason$/);
  });

  test("a process that stays unready is ended", async () => {
    const options = shell("sleep 60", { ready: async () => false, readyTimeoutMs: 50 });
    await assert.rejects(startProcess(options), /was not ready after 50 ms/);
  });

  test("a command that does not exist is an error", async () => {
    await assert.rejects(startProcess(shell("", { command: "/no/such/program" })), /ENOENT/);
  });

  test("a process that ignores SIGTERM is killed after the grace time, with its children", async () => {
    const options = shell("trap '' TERM; sleep 60 & echo $!; wait; wait", { graceMs: 50 });
    const started = await startProcess(options);
    const child = Number(await waitFor("the child's pid", () => started.log.text()));
    assert.deepEqual(await started.stop(), { code: null, signal: "SIGKILL" });
    await waitFor("the end of the child", () => isGone(child));
    assert.deepEqual(await started.stop(), { code: null, signal: "SIGKILL" });
  });

  test("a process and its data do not outlive a test process that is killed", async () => {
    const scratchDirectory = await mkdtemp(join(tmpdir(), "replicast-watchdog-"));
    const module = new URL("./process.ts", import.meta.url);
    const options = JSON.stringify({ name: "orphan", command: "sleep", args: ["60"], scratchDirectory });
    const source = `
      const { startProcess } = await import("${module}");
      console.log((await startProcess({ ...${options}, ready: async () => true })).pid);
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "pipe", "inherit"] });
    const [pid] = await once(owner.stdout, "data");
    owner.kill("SIGKILL");
    await once(owner, "close");
    await waitFor("the end of the orphan", () => isGone(Number(String(pid))));
    await waitFor("the removal of its data", () => !existsSync(scratchDirectory));
  });

  test("a server moves to another port when somebody else was quicker", async () => {
    const ports: number[] = [];
    await using server = await startServer({
      name: "rival",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      launch: (port) => {
        ports.push(port);
        return {
          endpoint: `http://127.0.0.1:${port}`,
          ...shell(ports.length < 3 ? "echo bind: address already in use; exit 1" : "sleep 60", { ready: async () => ports.length === 3 }),
        };
      },
    });
    assert.equal(server.port, ports[2]);
    assert.equal(existsSync(server.directory), true);
    await server[Symbol.asyncDispose]();
    assert.equal(existsSync(server.directory), false);
  });
});

test("freePort stays below the ports of outgoing connections", async () => {
  const port = await freePort();
  assert.ok(port >= 20_000 && port < 32_000);
});

test("a log ring keeps the end", () => {
  const ring = new LogRing(10);
  for (let line = 0; line < 100; line++) ring.add(`line ${line}\n`);
  assert.equal(ring.text(), "line 98\nline 99\n");
  assert.equal(ring.tail(1), "line 99");
});
