import type { Bucket } from "../../../domain/bucket.ts";
import { ReplicationError } from "../../../domain/error.ts";
import { Body } from "../../../embedded-s3/body.ts";
import { parseChecksumAlgorithm, type WantedChecksum } from "../../../embedded-s3/checksum.ts";
import { DEFAULT_KMS_KEY } from "../../../embedded-s3/encryption.ts";
import type { Guards } from "../../../embedded-s3/guards.ts";
import { EmbeddedS3Model } from "../../../embedded-s3/model.ts";
import { parseRetentionMode } from "../../../embedded-s3/object-lock.ts";
import { describeFidelity } from "../../../testing/fidelity-contract.ts";
import { MemoryUploads } from "../../../testing/memory-state/uploads.ts";
import { describeObjectStore } from "../../../testing/object-store-contract.ts";
import { describeResumption } from "../../../testing/resumption-contract.ts";
import { describeTransfer, type GuardsToPut, type PartsToPut, type TransferHarness } from "../../../testing/transfer-contract.ts";
import { type EmbeddedBucketOptions, type ModelCall, OPERATIONS, type StepLabel, type StepPlace } from "./model-calls.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { EmbeddedTransfer } from "./transfer.ts";

const KIB = 1024;
const LARGE_BYTES = 8 * KIB;
const PART_BYTES = KIB;

function bucketIn(store: string, name: string): Bucket {
  return { id: `s3://${store}.example/${name}`, name: `${store}:${name}`, store, bucket: name };
}

describeObjectStore({
  name: "the embedded model",
  exempt: {},
  open: async () => {
    const model = new EmbeddedS3Model();
    model.createBucket("bucket");
    const storeOf = (name: string, options: Partial<EmbeddedBucketOptions> = {}) =>
      new EmbeddedObjectStore({ bucket: bucketIn("own", name), model, ...options });
    const store = storeOf("bucket");
    return {
      store,
      missing: storeOf("missing"),
      stranger: storeOf("bucket", { step: refuse }),
      enableVersioning: async () => model.setVersioning("bucket", "Enabled"),
      putSpoilt: (key) =>
        store.calls.run("put", { key }, (_, bucket) =>
          model.putObject(bucket, key, { body: Body.of("x"), contentMd5: Buffer.alloc(16).toString("base64") }),
        ),
      close: async () => {},
    };
  },
});

async function refuse(label: StepLabel): Promise<void> {
  if (label.endsWith(":before")) throw new ReplicationError("AccessDenied", `${label} is not allowed`);
}

describeTransfer({ name: "two embedded models", exempt: {}, open: openModels });
describeFidelity({ name: "two embedded models", exempt: {}, open: openModels });
describeResumption({ name: "two embedded models", exempt: {}, open: openModels });

async function openModels(): Promise<TransferHarness> {
  const requests: Record<string, string[]> = { one: [], two: [] };
  const models: Record<string, EmbeddedS3Model> = { one: newModel(true), two: newModel(false) };
  const uploads = new MemoryUploads();
  let onPart = (_store: string) => {};
  const count = async (label: StepLabel, { bucket }: StepPlace) => {
    const [call = "", moment] = label.split(":");
    const operation = OPERATIONS[call as ModelCall];
    if (moment === "before") requests[bucket.store]?.push(operation);
    else if (operation.startsWith("UploadPart")) onPart(bucket.store);
  };
  const modelOf = ({ store }: Bucket) => models[store]!;
  const bucket = (store: string, name: string) => {
    models[store]?.createBucket(name);
    return bucketIn(store, name);
  };
  const storeOf = (of: Bucket) => new EmbeddedObjectStore({ bucket: of, model: modelOf(of), step: count });
  return {
    transfer: new EmbeddedTransfer({ storeOf, uploads }),
    uploads,
    breakOffAfter: ({ store }, parts) => {
      const breaking = new AbortController();
      let left = parts;
      onPart = (of) => {
        if (of === store && --left === 0) breaking.abort();
      };
      return breaking.signal;
    },
    source: bucket("one", "source"),
    near: bucket("one", "near"),
    far: bucket("two", "far"),
    farther: bucket("two", "farther"),
    missing: bucketIn("two", "missing"),
    storeOf,
    largeBytes: LARGE_BYTES,
    partBytes: PART_BYTES,
    putParts: async (at, key, upload) => putParts(modelOf(at), { bucket: at.bucket, key }, upload),
    takeRequests: ({ store }) => requests[store]!.splice(0).sort(),
    encryptionOf: async (at, key) => modelOf(at).guards(at.bucket, key).encryption?.type,
    enableVersioning: async (at) => modelOf(at).setVersioning(at.bucket, "Enabled"),
    guardedBucket: async (place) => {
      const [store, name] = [place === "near" ? "one" : "two", `guarded-${place}-${++guarded}`];
      models[store]?.createBucket(name, { objectLock: true, acls: true });
      return bucketIn(store, name);
    },
    putGuarded: async (at, key, { body, storageClass, ...guards }) => {
      modelOf(at).putObject(at.bucket, key, { body: Body.of(body), storageClass, ...toGuards(guards) });
    },
    grantsOf: async (at, key) => (modelOf(at).guards(at.bucket, key).acl === "public-read" ? ["AllUsers READ"] : []),
    openUploads: async (at) => modelOf(at).listUploads(at.bucket).uploads.length,
    close: async () => {},
  };
}

/** The first encrypts, the second does not. */
function newModel(encrypts: boolean): EmbeddedS3Model {
  return new EmbeddedS3Model({ encrypts, limits: { minPartBytes: PART_BYTES } });
}

let guarded = 0;

function toGuards({ lock, encryption, acl, checksum }: GuardsToPut): Guards & { readonly checksum: WantedChecksum | undefined } {
  const mode = lock?.retention && parseRetentionMode(lock.retention.mode);
  const retention = mode && lock?.retention && { mode, retainUntil: lock.retention.retainUntil };
  return {
    lock: lock && { retention, legalHold: lock.legalHold },
    encryption: encryption === "aws:kms" ? { type: encryption, keyId: DEFAULT_KMS_KEY } : encryption && { type: encryption },
    acl,
    checksum: checksum && { algorithm: parseChecksumAlgorithm(checksum) },
  };
}

function putParts(
  model: EmbeddedS3Model,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  { parts, attributes, ...asked }: PartsToPut,
): string {
  const { checksum, ...guards } = toGuards(asked);
  const { uploadId } = model.createUpload(bucket, key, { attributes, ...guards, checksumAlgorithm: checksum?.algorithm });
  const listed = parts.map(({ number, body }) => {
    const part = model.uploadPart(bucket, key, { uploadId, partNumber: number, body: Body.of(body), checksum });
    return { ...part, checksums: part.checksum && { [part.checksum.algorithm]: part.checksum.value } };
  });
  return model.completeUpload(bucket, key, { uploadId, parts: listed }).etag;
}
