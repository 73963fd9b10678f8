import type { Transfer } from "./contenders.ts";
import { inParallel, type LeanKey, type LeanS3, objectPath } from "./lean-client.ts";

/** Objects whose attributes are compared; among them the odd keys, which sort elsewhere than the plain ones. */
const sampleSize = 120;
const comparedHeaders = ["content-type", "cache-control", "x-amz-meta-origin"];
/** Of larger ones the content is not compared. */
const comparedBytes = 1 << 20;

/** How a copy differs from its source, over all destinations. */
export interface CheckResult {
  readonly missing: number;
  readonly extra: number;
  readonly wrongSize: number;
  /** Of a sample: what did not arrive, as `name: how often`. */
  readonly lost: Readonly<Record<string, number>>;
}

interface Place {
  readonly s3: LeanS3;
  readonly bucket: string;
}

interface Seen {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly tags: string;
  readonly body: string;
}

/** Compares all keys and sizes, and of a sample contents, headers and tags. */
export async function checkCopy({ source, destination }: Transfer): Promise<CheckResult> {
  const from: Place = { s3: source.server.s3, bucket: source.bucket };
  const wanted = await from.s3.listAll(from.bucket);
  const totals = { missing: 0, extra: 0, wrongSize: 0, lost: {} as Record<string, number> };
  for (const bucket of destination.buckets) {
    const to: Place = { s3: destination.server.s3, bucket };
    const present = await to.s3.listAll(bucket);
    for (const entry of wanted.values()) count(totals, entry, present.get(entry.key));
    totals.extra += [...present.keys()].filter((key) => !wanted.has(key)).length;
    await inParallel(8, sample(wanted, present), (entry) => compare(entry, { from, to, lost: totals.lost }));
  }
  return totals;
}

function count(totals: { missing: number; wrongSize: number }, wanted: LeanKey, present: LeanKey | undefined): void {
  if (!present) totals.missing++;
  else if (present.sizeBytes !== wanted.sizeBytes) totals.wrongSize++;
}

function sample(wanted: ReadonlyMap<string, LeanKey>, present: ReadonlyMap<string, LeanKey>): LeanKey[] {
  const candidates = [...wanted.values()].filter((entry) => present.has(entry.key));
  const step = Math.max(1, Math.floor(candidates.length / sampleSize));
  return candidates.filter(({ key }, index) => index % step === 0 || !/^d\d\d\//.test(key));
}

async function compare(
  entry: LeanKey,
  places: { readonly from: Place; readonly to: Place; readonly lost: Record<string, number> },
): Promise<void> {
  const [source, replica] = await Promise.all([look(places.from, entry), look(places.to, entry)]);
  const note = (name: string, same: boolean): void => {
    if (!same) places.lost[name] = (places.lost[name] ?? 0) + 1;
  };
  for (const name of comparedHeaders) note(name, source.headers[name] === replica.headers[name]);
  note("tags", source.tags === replica.tags);
  note("content", source.body === replica.body);
  for (const name of Object.keys(replica.headers)) note(`added ${name}`, !name.startsWith("x-amz-meta-") || name in source.headers);
}

async function look({ s3, bucket }: Place, { key, sizeBytes }: LeanKey): Promise<Seen> {
  const path = objectPath(bucket, key);
  const [object, tagging] = [
    await s3.must(sizeBytes > comparedBytes ? "HEAD" : "GET", path),
    await s3.must("GET", path, { query: { tagging: "" } }),
  ];
  const tags = [...tagging.body.matchAll(/<Key>[^<]*<\/Key><Value>[^<]*/g)].map(([tag]) => tag);
  return { headers: object.headers, tags: tags.sort().join(), body: object.body };
}
