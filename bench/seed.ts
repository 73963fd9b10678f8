import { randomFillSync } from "node:crypto";
import { inParallel, objectPath } from "./lean-client.ts";
import type { BenchServer } from "./servers.ts";

export const smallBytes = 4096;
export const largeBytes: number = 128 << 20;
export const tinyBytes = 16;
const hugePartBytes = 64 << 20;
const hugeParts = 80;
export const hugeBytes: number = hugeParts * hugePartBytes + 1;

/** Keys that a careless client loses. MinIO refuses some; those are replaced by plain ones. */
const oddKeys = [
  "sp ace/a b  c.txt",
  "plus+/a+b.txt",
  "percent/100%.txt",
  "percent/%20literal.txt",
  "uni/ünï-日本語.txt",
  "uni/emoji-😀.txt",
  "uni/nfc-\u00e9",
  "uni/nfd-e\u0301",
  "amp/a&b=c?d#e.txt",
  "quote/'single' \"double\".txt",
  "par/(a)[b]{c}.txt",
  "tilde/~x*!.txt",
  "lt/<x>.txt",
  "back\\slash.txt",
  "nl/line\nbreak",
  "marker/",
  `long/${"k".repeat(200)}`,
  "colon/a:b|c;d,e@f$g",
];

function* range(count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield index;
}

function plainKey(index: number): string {
  return `d${String(index % 100).padStart(2, "0")}/obj-${String(index).padStart(6, "0")}.bin`;
}

/** Every object has a type, a cache rule and one metadata entry; one in ten has two tags. */
export function seedHeaders(index: number): Record<string, string> {
  const tags: Record<string, string> = index % 10 === 0 ? { "x-amz-tagging": "env=prod&team=blue%20one" } : {};
  return { "content-type": "application/x-bench", "cache-control": "max-age=61", "x-amz-meta-origin": `seed-${index}`, ...tags };
}

export async function seedSmall(server: BenchServer, bucket: string, count: number): Promise<void> {
  await server.createBucket(bucket);
  await inParallel(32, range(count), async (index) => {
    const key = oddKeys[index] ?? plainKey(index);
    const put = (at: string) =>
      server.s3.ask("PUT", objectPath(bucket, at), { headers: seedHeaders(index), body: Buffer.alloc(smallBytes, `${at}|`) });
    const answer = await put(key);
    if (answer.status !== 200) await put(plainKey(index));
  });
}

export async function seedTiny(server: BenchServer, bucket: string, count: number): Promise<void> {
  await server.createBucket(bucket);
  await inParallel(32, range(count), async (index) => {
    const key = plainKey(index);
    await server.s3.must("PUT", objectPath(bucket, key), { body: Buffer.alloc(tinyBytes, key) });
  });
}

export async function seedLarge(server: BenchServer, bucket: string, count: number): Promise<void> {
  await server.createBucket(bucket);
  const body = randomFillSync(Buffer.alloc(largeBytes));
  for (const index of range(count)) {
    body.writeUInt32LE(index, 0);
    await server.s3.must("PUT", objectPath(bucket, `big-${index}.bin`), { headers: seedHeaders(index), body });
  }
}

/** One object just above what a single PUT or CopyObject may carry in S3, uploaded in parts. */
export async function seedHuge(server: BenchServer, bucket: string): Promise<void> {
  await server.createBucket(bucket);
  const path = objectPath(bucket, "huge.bin");
  const started = await server.s3.must("POST", path, { query: { uploads: "" }, headers: seedHeaders(1) });
  const uploadId = /<UploadId>([^<]+)/.exec(started.body)?.[1] ?? "";
  const body = randomFillSync(Buffer.alloc(hugePartBytes));
  let parts = "";
  for (const index of range(hugeParts + 1)) {
    body.writeUInt32LE(index, 0);
    const partNumber = String(index + 1);
    const part = index === hugeParts ? body.subarray(0, 1) : body;
    const { headers } = await server.s3.must("PUT", path, { query: { partNumber, uploadId }, body: part });
    parts += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${String(headers["etag"])}</ETag></Part>`;
  }
  await server.s3.must("POST", path, { query: { uploadId }, body: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>` });
}
