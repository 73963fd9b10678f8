import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureTool } from "../../scripts/tools.ts";
import { type Certificate, createCertificate } from "./certificate.ts";
import { answersOk } from "./probe.ts";
import { type Credentials, type Launch, type RealServer, startServer } from "./server.ts";

export interface MinioWebhook {
  /** Name of the target in MinIO: the `ID` of `arn:minio:sqs::ID:webhook`. */
  readonly id: string;
  readonly endpoint: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string;
  /** Keeps undelivered events on disk instead of losing them; every event then comes up to three seconds late. @defaultValue true */
  readonly queue?: boolean;
}

export interface MinioOptions {
  readonly webhook?: MinioWebhook;
  /** Serves https with this certificate, or with one made for this server; its file is `caFile`. */
  readonly tls?: boolean | Certificate;
  /** @defaultValue made up for this server */
  readonly credentials?: Credentials;
  /** Further MINIO_ variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly dataRoot?: string;
}

export interface MinioServer extends RealServer {
  /** A bucket is a directory of this name below. */
  readonly drive: string;
  /** Has the events of a bucket sent to the webhook; replaces what notifications the bucket had. */
  addEvents(bucket: string): Promise<void>;
}

/** Starts MinIO with one drive and credentials of its own, so that a client of another server is refused. */
export async function startMinio(options: MinioOptions = {}): Promise<MinioServer> {
  const command = await ensureTool("minio");
  const credentials = options.credentials ?? {
    accessKeyId: `minio${randomBytes(4).toString("hex")}`,
    secretAccessKey: randomBytes(16).toString("hex"),
  };
  const server = await startServer({
    name: "minio",
    credentials,
    dataRoot: options.dataRoot,
    launch: async (port, directory): Promise<Launch> => {
      if (options.tls) await writeCertificate(directory, options.tls === true ? createCertificate() : options.tls);
      const endpoint = `${options.tls ? "https" : "http"}://127.0.0.1:${port}`;
      return {
        endpoint,
        command,
        args: ["server", "--quiet", "--address", `127.0.0.1:${port}`, "--certs-dir", certificates(directory), drive(directory)],
        env: {
          HOME: directory,
          MINIO_ROOT_USER: credentials.accessKeyId,
          MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
          ...quietEnvironment,
          ...webhookEnvironment(options.webhook, directory),
          ...options.env,
        },
        ready: (signal) => answersOk(`${endpoint}/minio/health/ready`, signal),
        ...(options.tls ? { caFile: join(certificates(directory), "public.crt") } : {}),
      };
    },
  });
  return Object.assign(server, {
    drive: drive(server.directory),
    addEvents: async (bucket: string): Promise<void> => sendEvents(server, bucket, options.webhook),
  });
}

const quietEnvironment = { MINIO_BROWSER: "off", MINIO_UPDATE: "off", MINIO_CALLHOME_ENABLE: "off", MINIO_SCANNER_SPEED: "slowest" };

function drive(directory: string): string {
  return join(directory, "drive");
}

function certificates(directory: string): string {
  return join(directory, "certs");
}

/** The file names are MinIO's own. */
async function writeCertificate(directory: string, { certificatePem, privateKeyPem }: Certificate): Promise<void> {
  await mkdir(certificates(directory));
  await writeFile(join(certificates(directory), "public.crt"), certificatePem);
  await writeFile(join(certificates(directory), "private.key"), privateKeyPem, { mode: 0o600 });
}

function webhookEnvironment(webhook: MinioWebhook | undefined, directory: string): Record<string, string> {
  if (!webhook) return {};
  return {
    [`MINIO_NOTIFY_WEBHOOK_ENABLE_${webhook.id}`]: "on",
    [`MINIO_NOTIFY_WEBHOOK_ENDPOINT_${webhook.id}`]: webhook.endpoint,
    ...(webhook.token ? { [`MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_${webhook.id}`]: `Bearer ${webhook.token}` } : {}),
    ...(webhook.queue === false ? {} : { [`MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_${webhook.id}`]: join(directory, "queue") }),
  };
}

async function sendEvents(server: RealServer, bucket: string, webhook: MinioWebhook | undefined): Promise<void> {
  if (!webhook) throw new Error("this MinIO was started without a webhook");
  const { notify } = await import("./minio-notification.ts");
  await notify(server, bucket, `arn:minio:sqs::${webhook.id}:webhook`);
}
