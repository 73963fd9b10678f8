#!/usr/bin/env node
// Plain syntax of Node 12 throughout: an old Node must get as far as handing over, or as the error that says what is missing.
import { spawn } from "child_process";
import fs from "fs";
import module from "module";
import os from "os";
import path from "path";
import { fileURLToPath, pathToFileURL } from "url";

const NEEDED = 24;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const HANDED_OVER = "REPLICAST_HANDED_OVER";
const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));

if (Number(process.versions.node.split(".")[0]) >= NEEDED) runHere();
else handOver(pinnedNode());

function runHere() {
  if (typeof module.enableCompileCache === "function") module.enableCompileCache();
  delete process.env[HANDED_OVER];
  import(pathToFileURL(entry()).href)
    .then((cli) => cli.main(process.argv.slice(2), process.env))
    .then(exit, (error) => fail(String(Object(error).stack || error), "report this with the command that was run"));
}

/** Source in a checkout, the build where it is published. */
function entry() {
  const source = path.join(here, "..", "src", "cli", "main.ts");
  const built = path.join(here, "..", "dist", "cli", "main.js");
  return process.env.REPLICAST_DIST === "1" || !fs.existsSync(source) ? built : source;
}

/** Ends the process only after stdout has taken everything. */
function exit(code) {
  process.exitCode = code;
  if (process.stdout.destroyed || process.stdout.writableLength === 0) process.exit(code);
  process.stdout.write("", () => process.exit(code));
}

/** The Node that the package `node` brings, in the nearest node_modules above. */
function pinnedNode() {
  const name = process.platform === "win32" ? "node.exe" : "node";
  for (let directory = path.join(here, ".."); ; directory = path.dirname(directory)) {
    const found = path.join(directory, "node_modules", "node", "bin", name);
    if (fs.existsSync(found)) return found;
    if (path.dirname(directory) === directory) return undefined;
  }
}

function handOver(node) {
  if (node === undefined || process.env[HANDED_OVER] === "1") {
    fail(
      "replicast needs Node " + NEEDED + " or newer; this is " + process.version,
      "install Node " + NEEDED + ", or run npm install in a checkout",
    );
    return;
  }
  const args = [fileURLToPath(import.meta.url)].concat(process.argv.slice(2));
  const env = Object.assign({}, process.env);
  env[HANDED_OVER] = "1";
  const child = spawn(node, args, { stdio: "inherit", env });
  for (const name of SIGNALS) process.on(name, () => child.kill(name));
  child.on("error", (error) => fail(node + " does not start: " + error.message, "run npm install again, or install Node " + NEEDED));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + os.constants.signals[signal]));
}

function fail(message, hint) {
  process.stderr.write("error: " + message + "\ntry: " + hint + "\n");
  process.exit(1);
}
