import { after, before } from "node:test";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import { describeObjectStore } from "../../src/testing/object-store-contract.ts";
import { openObjectStore } from "../support/object-store-harness.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret/with+odd=characters" };
let server: RunningEmbeddedS3;

before(async () => {
  server = await startEmbeddedS3({ credentials });
});
after(() => server.close());

describeObjectStore({
  name: "S3 over the embedded server",
  exempt: {},
  open: () => openObjectStore({ endpoint: server.endpoint, region: "us-east-1", credentials }),
});
