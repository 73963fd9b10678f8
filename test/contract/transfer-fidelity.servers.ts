import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { EmbeddedS3Model } from "../../src/embedded-s3/model.ts";
import { type RunningEmbeddedS3, startEmbeddedS3 } from "../../src/embedded-s3/server.ts";
import { describeFidelity } from "../../src/testing/fidelity-contract.ts";
import type { TransferHarness } from "../../src/testing/transfer-contract.ts";
import { startMinio } from "../support/minio.ts";
import type { RealServer, S3Endpoint } from "../support/server.ts";
import { openTransfer } from "../support/transfer-harness.ts";
import { startVersitygw } from "../support/versitygw.ts";

const MIB = 1024 ** 2;
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
let minio: RealServer;
let versitygw: RealServer;
/** Stands for S3 itself: the only one here with ACLs, archives and the rules of its checksums. */
let embedded: RunningEmbeddedS3;

before(async () => {
  const env = { MINIO_KMS_SECRET_KEY: `key-1:${randomBytes(32).toString("base64")}` }; // without a key it refuses to encrypt
  const model = new EmbeddedS3Model({ encrypts: true });
  [minio, versitygw, embedded] = await Promise.all([startMinio({ env }), startVersitygw(), startEmbeddedS3({ credentials, model })]);
});
after(() => Promise.all([minio[Symbol.asyncDispose](), versitygw[Symbol.asyncDispose](), embedded.close()]));

const open = (source: S3Endpoint, destination: S3Endpoint): Promise<TransferHarness> =>
  openTransfer({ source, destination, limits: { relayFromBytes: MIB }, partBytes: 5 * MIB });
const embeddedServer = (): S3Endpoint => ({ endpoint: embedded.endpoint, region: "us-east-1", credentials });

type Titles = Readonly<Record<string, string>>;
const PLACES = ["within a store", "across stores"];
const SIZES = ["small", "large", "in parts"];
const both = (title: string, reason: string): Titles => Object.fromEntries(PLACES.map((place) => [`${title}, ${place}`, reason]));
const each = (title: string, reason: string): Titles => Object.assign({}, ...SIZES.map((size) => both(`${title}: ${size}`, reason)));

const acl = "an ACL is kept where it is asked for and the destination has ACLs, else a note tells";
const archived = "an archived object fails for good and tells what to do, whatever is known of it";
const checksum = "a checksum keeps its algorithm, its type and its value";
const expires = "an Expires header that is no date is kept as it is, or a note tells that it is not";
const encryption = "the kind of the source's encryption is kept where it is known, or a note tells that it is not";
const redirect = "a website redirect is kept across stores, or a note tells that it is not";
const PARTS_COPIED = "MinIO copies no part into an upload with checksums";

describeFidelity({
  name: "S3 from MinIO to versitygw",
  exempt: {
    ...each(acl, "MinIO has no ACLs"),
    ...both(archived, "MinIO has no archives"),
    ...both(expires, "MinIO drops what is no date"),
    [redirect]: "MinIO drops redirects",
    [`${checksum}: in parts, within a store`]: PARTS_COPIED,
  },
  open: () => open(minio, versitygw),
});

describeFidelity({
  name: "S3 from versitygw to MinIO",
  exempt: {
    ...each(acl, "the gateway has no ACLs of objects"),
    ...both(archived, "the gateway has no archives"),
    ...each(encryption, "the gateway does not encrypt"),
    [`${checksum}: in parts, within a store`]: "the gateway gives a copied part the checksum of the whole",
    [`${checksum}: in parts, across stores`]: "the gateway tells the checksums of no parts",
  },
  open: () => open(versitygw, minio),
});

describeFidelity({ name: "S3 from an embedded server to MinIO", exempt: {}, open: () => open(embeddedServer(), minio) });
describeFidelity({ name: "S3 from an embedded server to versitygw", exempt: {}, open: () => open(embeddedServer(), versitygw) });
