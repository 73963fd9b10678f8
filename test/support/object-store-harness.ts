import { randomBytes } from "node:crypto";
import { S3ObjectStore } from "../../src/adapters/object-store/s3/object-store.ts";
import type { ObjectStoreHarness } from "../../src/testing/object-store-contract.ts";
import { adapt, bucketIn } from "./s3-adapter.ts";
import { connect } from "./sdk.ts";
import type { S3Endpoint } from "./server.ts";

/** The S3 adapter over a new bucket of a server. */
export async function openObjectStore(server: S3Endpoint): Promise<ObjectStoreHarness> {
  const name = `contract-${randomBytes(6).toString("hex")}`;
  const sdk = connect(server);
  await sdk.createBucket(name);
  const own = adapt("own", server);
  const foreign = adapt("foreign", { ...server, credentials: { accessKeyId: "NOBODYHERE", secretAccessKey: "wrong" } });
  return {
    store: new S3ObjectStore(bucketIn(own, name), own.client),
    missing: new S3ObjectStore(bucketIn(own, `${name}-missing`), own.client),
    stranger: new S3ObjectStore(bucketIn(foreign, name), foreign.client),
    enableVersioning: async () => {
      const { PutBucketVersioningCommand } = await import("@aws-sdk/client-s3");
      await sdk.s3.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: "Enabled" } }));
    },
    putSpoilt: (key) =>
      own.client.expect({
        operation: "PutObject",
        method: "PUT",
        bucket: name,
        key,
        headers: { "content-length": "1", "content-md5": Buffer.alloc(16).toString("base64") },
        body: Buffer.from("x"),
      }),
    async close() {
      sdk[Symbol.dispose]();
      await Promise.all([own.client.close(), foreign.client.close()]);
    },
  };
}
