import { after, before } from "node:test";
import { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import { describeFidelity } from "../../src/testing/fidelity-contract.ts";
import { openTransfer } from "../support/transfer-harness.ts";

const KIB = 1024;
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret/with+odd=characters" };
let servers: readonly RunningEmbeddedS3[] = [];

before(async () => {
  // One that encrypts and one that does not.
  const models = [true, false].map((encrypts) => new EmbeddedS3Model({ encrypts, limits: { minPartBytes: 16 * KIB } }));
  servers = await Promise.all(models.map((model) => startEmbeddedS3({ credentials, model })));
});
after(() => Promise.all(servers.map((server) => server.close())));

describeFidelity({
  name: "S3 over two embedded servers",
  exempt: {},
  open: () => {
    const [source, destination] = servers.map(({ endpoint }) => ({ endpoint, region: "us-east-1", credentials }));
    if (source === undefined || destination === undefined) throw new Error("the servers have not been started");
    return openTransfer({ source, destination, limits: { relayFromBytes: 128 * KIB }, partBytes: 16 * KIB });
  },
});
