import { after, before } from "node:test";
import { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import type { TransferHarness } from "../../src/testing/transfer-contract.ts";
import { openTransfer } from "./transfer-harness.ts";

const KIB = 1024;
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret/with+odd=characters" };

/** What the contracts of transfers ask for: nothing that the S3 adapter over embedded servers is exempt from. */
export interface EmbeddedTransfer {
  readonly name: string;
  readonly exempt: Readonly<Record<string, never>>;
  readonly open: () => Promise<TransferHarness>;
}

/** Installs hooks that start two servers for the calling file: one that encrypts and one that does not. */
export function useEmbeddedTransfer(): EmbeddedTransfer {
  let servers: readonly RunningEmbeddedS3[] = [];
  before(async () => {
    const models = [true, false].map((encrypts) => new EmbeddedS3Model({ encrypts, limits: { minPartBytes: 16 * KIB } }));
    servers = await Promise.all(models.map((model) => startEmbeddedS3({ credentials, model })));
  });
  after(() => Promise.all(servers.map((server) => server.close())));
  return {
    name: "S3 over two embedded servers",
    exempt: {},
    open: () => {
      const [source, destination] = servers.map(({ endpoint }) => ({ endpoint, region: "us-east-1", credentials }));
      if (source === undefined || destination === undefined) throw new Error("the servers have not been started");
      return openTransfer({ source, destination, limits: { relayFromBytes: 128 * KIB }, partBytes: 16 * KIB });
    },
  };
}
