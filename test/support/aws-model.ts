import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ensureTool } from "../../scripts/tools.ts";
import type { RecordedRequest } from "./recorder.ts";

/** A request as AWS understands it, or why it would not. */
export interface ModelledRequest {
  readonly operation?: string;
  readonly input?: unknown;
  readonly error?: string;
}

/** Reads requests by AWS's model of a service: names, places, required members, types, enumerations, patterns and lengths. */
export async function readByModel(service: string, requests: readonly RecordedRequest[]): Promise<readonly ModelledRequest[]> {
  const script = fileURLToPath(new URL("./aws_model.py", import.meta.url));
  const child = spawn(await ensureTool("python"), [script], { stdio: ["pipe", "pipe", "inherit"], env: { PATH: process.env.PATH } });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  child.stdin.end(JSON.stringify({ service, requests }));
  const [printed, code] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
  return JSON.parse(printed) as readonly ModelledRequest[];
}
