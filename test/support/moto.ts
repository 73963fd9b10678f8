import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { ensureTool } from "../../scripts/tools.ts";
import { answersOk } from "./probe.ts";
import { type RealServer, startServer } from "./server.ts";

export interface MotoOptions {
  /** Checks credentials and policies after this many calls, which are for making the first user. Off by default: anybody may do anything. */
  readonly authAfterCalls?: number;
}

export interface MotoServer extends RealServer {
  /** Forgets all buckets, queues, topics and users. */
  reset(): Promise<void>;
}

/** The account that moto pretends to be. */
export const motoAccountId = "123456789012";

/** Starts moto: S3, SNS, SQS, IAM, STS, KMS and more of AWS in one server, all in memory, with `moto_server.py`'s corrections. */
export async function startMoto(options: MotoOptions = {}): Promise<MotoServer> {
  const command = await ensureTool("python");
  const script = fileURLToPath(new URL("./moto_server.py", import.meta.url));
  const auth = options.authAfterCalls === undefined ? {} : { INITIAL_NO_AUTH_ACTION_COUNT: String(options.authAfterCalls) };
  const server = await startServer({
    name: "moto",
    credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
    launch: (port, directory) => ({
      endpoint: `http://127.0.0.1:${port}`,
      command,
      args: [script, "-H", "127.0.0.1", "-p", String(port)],
      env: { HOME: directory, ...auth },
      ready: (signal) => answersOk(`http://127.0.0.1:${port}/moto-api/`, signal),
    }),
  });
  return Object.assign(server, { reset: async (): Promise<void> => post(`${server.endpoint}/moto-api/reset`) });
}

async function post(url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request(url, { method: "POST", agent: false }, (response) => {
    response.resume();
    response.once("close", () => resolve(response.statusCode ?? 0));
  });
  sent.once("error", reject);
  sent.end();
  const status = await promise;
  if (status !== 200) throw new Error(`${url} answered ${status}`);
}
