import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { describeTransfer } from "../../src/testing/transfer-contract.ts";
import { startMinio } from "../support/minio.ts";
import type { RealServer } from "../support/server.ts";
import { openTransfer } from "../support/transfer-harness.ts";
import { startVersitygw } from "../support/versitygw.ts";

const MIB = 1024 ** 2;
let minio: RealServer;
let versitygw: RealServer;

before(async () => {
  const env = { MINIO_KMS_SECRET_KEY: `key-1:${randomBytes(32).toString("base64")}` }; // without a key it refuses to encrypt
  [minio, versitygw] = await Promise.all([startMinio({ env }), startVersitygw()]);
});
after(() => Promise.all([minio[Symbol.asyncDispose](), versitygw[Symbol.asyncDispose]()]));

const given = "a storage class is given where one is asked for";
const kept = "a storage class that is kept stays what it is";
const NO_CLASSES = "MinIO has none of S3's classes";
const IGNORED = "the gateway accepts any class and keeps none";

describeTransfer({
  name: "S3 from MinIO to versitygw",
  exempt: {
    [`${given}, within a store`]: NO_CLASSES,
    [`${given}, across stores`]: IGNORED,
    [`${kept}, within a store`]: NO_CLASSES,
    [`${kept}, across stores`]: NO_CLASSES,
  },
  open: () => openTransfer({ source: minio, destination: versitygw, limits: { relayFromBytes: MIB }, partBytes: 5 * MIB }),
});

describeTransfer({
  name: "S3 from versitygw to MinIO",
  exempt: {
    [`${given}, within a store`]: IGNORED,
    [`${given}, across stores`]: NO_CLASSES,
    [`${kept}, within a store`]: IGNORED,
    [`${kept}, across stores`]: IGNORED,
    "a version that is a delete marker is `gone`, within a store": "the gateway copies what the marker hides",
  },
  open: () => openTransfer({ source: versitygw, destination: minio, limits: { relayFromBytes: MIB }, partBytes: 5 * MIB }),
});
