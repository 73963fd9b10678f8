import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ensureTool } from "../../scripts/tools.ts";
import { answersOk } from "./probe.ts";
import { type Launch, type RealServer, startServer } from "./server.ts";

export interface VersitygwOptions {
  /** Makes versioning available; buckets still start unversioned. @defaultValue true */
  readonly versioning?: boolean;
  /**
   * Gets the events of all buckets; there is no API to choose them. The gateway posts a test event when it starts, and loses what the
   * address does not take at once.
   */
  readonly webhookUrl?: string;
  /** A file system with extended attributes, in which all metadata is kept. tmpfs has them since Linux 6.6. */
  readonly dataRoot?: string;
}

/** Starts the versity gateway over a directory, with one account. */
export async function startVersitygw(options: VersitygwOptions = {}): Promise<RealServer> {
  const command = await ensureTool("versitygw");
  const credentials = { accessKeyId: `vgw${randomBytes(4).toString("hex")}`, secretAccessKey: randomBytes(16).toString("hex") };
  return startServer({
    name: "versitygw",
    credentials,
    dataRoot: options.dataRoot,
    launch: async (port, directory): Promise<Launch> => {
      const posix = await posixArguments(directory, options.versioning ?? true);
      const events = options.webhookUrl ? ["--event-webhook-url", options.webhookUrl] : [];
      return {
        endpoint: `http://127.0.0.1:${port}`,
        command,
        args: ["-p", `127.0.0.1:${port}`, "--health", "/health", "-q", ...events, "posix", ...posix],
        env: { HOME: directory, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
        ready: (signal) => answersOk(`http://127.0.0.1:${port}/health`, signal),
      };
    },
  });
}

/** The gateway refuses a versions directory that lies below the root or whose path merely begins with the root's. */
async function posixArguments(directory: string, versioning: boolean): Promise<string[]> {
  const root = join(directory, "objects");
  const versions = join(directory, "versions");
  await mkdir(root);
  if (!versioning) return [root];
  await mkdir(versions);
  return ["--versioning-dir", versions, root];
}
