import { ReplicationError } from "../../domain/error.ts";
import type { BatchFailure } from "../../ports/batch-replication.ts";

interface ReportPlace {
  readonly id: string;
  readonly bucketArn: string;
  readonly prefix: string | undefined;
}

interface Manifest {
  readonly Results?: readonly { readonly TaskExecutionStatus?: string; readonly Bucket?: string; readonly Key?: string }[];
  /** Columns of the results in their order, comma-separated. */
  readonly ReportSchema?: string;
}

const SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";

/** What a job's report holds of failures. https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html */
export async function* readReport(
  text: (bucket: string, key: string) => Promise<string | undefined>,
  { id, bucketArn, prefix = "" }: ReportPlace,
): AsyncIterable<BatchFailure> {
  const bucket = bucketArn.split(":::")[1] ?? "";
  const folder = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
  const key = `${folder}job-${id}/manifest.json`;
  const found = await text(bucket, key);
  if (found === undefined) return;
  const { Results = [], ReportSchema = SCHEMA } = parseManifest(found, `${bucket}/${key}`);
  const columns = ReportSchema.split(",").map((column) => column.trim());
  for (const result of Results) {
    if (result.TaskExecutionStatus !== "failed" || result.Key === undefined) continue;
    const part = await text(result.Bucket ?? bucket, result.Key);
    if (part === undefined) throw new ReplicationError("MalformedResponse", `a part of the report is not there: ${bucket}/${result.Key}`);
    for (const row of parseCsv(part)) yield toFailure(new Map(columns.map((column, index) => [column, row[index] ?? ""])));
  }
}

function parseManifest(text: string, place: string): Manifest {
  try {
    return JSON.parse(text) as Manifest;
  } catch (cause) {
    throw new ReplicationError("MalformedResponse", `the manifest of the report at ${place} is not JSON`, { cause });
  }
}

function toFailure(row: ReadonlyMap<string, string>): BatchFailure {
  const status = row.get("HTTPStatusCode") ?? "";
  const code = row.get("ErrorCode") ?? "";
  // Reports have been seen with these two columns the other way round.
  const [name, number] = /^\d{3}$/.test(code) ? [status, code] : [code, status];
  return {
    bucket: row.get("Bucket") ?? "",
    key: fromUrl(row.get("Key") ?? ""),
    versionId: row.get("VersionId") || null,
    code: name || number,
    message: row.get("ResultMessage") ?? "",
  };
}

/** Keys are encoded as in a manifest: a space is `%20` or `+`. */
function fromUrl(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", "%20"));
  } catch {
    return key; // a key that was not encoded, with a % of its own
  }
}

/** Rows of a CSV (RFC 4180): a quoted cell may hold commas, doubled quotes and line breaks. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/g)) {
    if (end === "" && quoted === undefined && plain === "" && row.length === 0) break;
    row.push(quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
