import { createHash } from "node:crypto";
import { toRecordedError } from "../../domain/error.ts";
import { explainNative } from "../../domain/native-failures.ts";
import { HEALED } from "../../domain/native-verdict.ts";
import { type Destination, destinationKey, type Rule } from "../../domain/rule.ts";
import type { BatchFailure, BatchJob } from "../../ports/batch-replication.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Adoption, Ledger } from "../../ports/state.ts";
import type { Transfer, TransferOutcome, TransferResult } from "../../ports/transfer.ts";
import { toRoute } from "../diff.ts";
import { toReplica } from "../replicate.ts";
import { WorkPool } from "../work-pool.ts";
import { isGivenUp, isOfVersion, rowOfHealed, withHealing } from "./rows.ts";
import { adoption, type Candidate, rowsOf } from "./watch.ts";

/** Batch jobs of the source of one direction. */
export interface HealingJobs {
  /** The job that was started last, whoever started it; undefined where there was none, or nobody may know. */
  latest(): Promise<BatchJob | undefined>;
  /**
   * Starts a job for all objects of the direction that S3 gave up. The same token twice is one job.
   * @throws ReplicationError where it cannot be started
   */
  startFailed(token: string): Promise<string>;
  failures(id: string): AsyncIterable<BatchFailure>;
}

export interface HealOptions {
  readonly rule: Rule;
  readonly ledger: Ledger;
  readonly transfer: Transfer;
  readonly clock: Clock;
  /** Nothing is replicated on from there, so that a copy cannot be taken for a client's. */
  readonly isLeaf: (destination: Destination) => boolean;
  readonly jobs: HealingJobs;
  readonly signal?: AbortSignal | undefined;
}

export interface Healed {
  /** Objects that were copied. */
  readonly copied: number;
  /** Id of the batch job that was started. */
  readonly job: string | null;
}

/** More than this is a batch job's work. */
const MAX_COPIES = 1000;
const CONCURRENCY = 8;
/** Rows made durable in one go. */
const BATCH = 500;

/**
 * Has what S3 gave up replicated a second time: by copies into leaves that hold nothing there, where these are few; else by one batch job for
 * the source. What S3 lost track of can be copied alone: no job finds it. Each version is healed once, and its row says so: what fails again
 * stays FAILED.
 */
export async function heal(candidates: readonly Candidate[], options: HealOptions): Promise<Healed> {
  const { isLeaf } = options;
  const canCopy = ({ destination, isAbsent }: Candidate) => isAbsent && isLeaf(destination);
  const givenUp = candidates.filter(({ isLost }) => !isLost);
  const lost = candidates.filter((candidate) => candidate.isLost && canCopy(candidate)).slice(0, MAX_COPIES);
  const isBatch = givenUp.length > MAX_COPIES || !givenUp.every(canCopy);
  const copied = await copyAll(isBatch ? lost : [...givenUp, ...lost], options);
  return { copied, job: isBatch ? await startJob(givenUp, options) : null };
}

/** Started first and recorded then: what a crash between the two leaves open is asked for by the same token, which is the same job. */
async function startJob(candidates: readonly Candidate[], options: HealOptions): Promise<string> {
  const job = await options.jobs.startFailed(tokenOf(options.rule, candidates));
  const { rule, ledger, clock } = options;
  for (const destination of rule.destinations) {
    const route = toRoute(rule, destination);
    let marked: Adoption[] = [];
    for await (const entry of rowsOf(ledger, route)) {
      if (!isGivenUp(entry) || entry.notes.includes(HEALED)) continue;
      marked.push(adoption(route, withHealing(entry, clock.now()), entry));
      if (marked.length < BATCH) continue;
      await ledger.adopt(marked);
      marked = [];
    }
    await ledger.adopt(marked);
  }
  return job;
}

/** The same for the same versions, in whatever order they were seen. */
function tokenOf({ id, source }: Rule, candidates: readonly Candidate[]): string {
  const versions = candidates.map(({ key, source: { versionId, etag } }) => JSON.stringify([key, versionId ?? etag])).sort();
  return createHash("sha256")
    .update(JSON.stringify([id, source.id, versions]))
    .digest("hex");
}

async function copyAll(candidates: readonly Candidate[], options: HealOptions): Promise<number> {
  const pool = new WorkPool(CONCURRENCY);
  let copied = 0;
  for (const candidate of candidates) {
    await pool.add(async () => {
      if (await copyOne(candidate, options)) copied++;
    });
  }
  await pool.idle();
  return copied;
}

/**
 * Copies exactly the version that was seen, and only to where nothing is: what a client or S3 itself puts there meanwhile stays
 * (`If-None-Match`). What may pass is left for the next time.
 */
async function copyOne({ destination, key, source }: Candidate, options: HealOptions): Promise<boolean> {
  const { rule, ledger, transfer, clock, signal } = options;
  const { etag, sizeBytes, lastModified, storageClass } = source;
  const result = await transfer.copy({
    source: rule.source,
    key,
    hint: { etag, sizeBytes, lastModified, storageClass: storageClass ?? "STANDARD" },
    destinations: [
      {
        bucket: destination.bucket,
        key: destinationKey(destination, key),
        storageClass: destination.storageClass,
        encryption: destination.encryption,
        preserve: rule.preserve,
        ifHolds: null,
      },
    ],
    signal,
  });
  const route = toRoute(rule, destination);
  const previous = await ledger.get(route, key);
  if (previous === undefined) return false;
  const place = { route, key, previous, now: clock.now() };
  const outcome = outcomeOf(result);
  if (outcome?.kind === "copied" && result.kind === "done") {
    const replica = toReplica({ ...outcome, source: result.source, versionId: outcome.versionId ?? null });
    await ledger.adopt([adoption(route, rowOfHealed(place, { source, replica, notes: outcome.notes }), previous)]);
    return true;
  }
  if (outcome?.kind === "failed" && outcome.error.disposition === "permanent") {
    const failure = { reason: previous.reason, error: toRecordedError(outcome.error) };
    await ledger.adopt([adoption(route, withHealing(previous, place.now, failure), previous)]);
  }
  return false;
}

function outcomeOf(result: TransferResult): TransferOutcome | undefined {
  if (result.kind === "failed") return result;
  return result.kind === "done" ? result.outcomes[0] : undefined;
}

export type ReportOptions = Pick<HealOptions, "rule" | "ledger" | "clock" | "jobs">;

/** Writes what a finished job could not replicate into the rows that it is about: those that still fail. Returns how many. */
export async function readReport(job: BatchJob, { rule, ledger, clock, jobs }: ReportOptions): Promise<number> {
  let told = 0;
  for await (const { bucket, key, versionId, code, message } of jobs.failures(job.id)) {
    if (bucket !== rule.source.bucket) continue;
    for (const destination of rule.destinations) {
      const route = toRoute(rule, destination);
      const entry = await ledger.get(route, key);
      if (entry?.status !== "FAILED" || !isOfVersion(entry, versionId)) continue;
      const reason = reasonOf(code, message);
      const failure = { reason, error: explainNative(reason, message) };
      await ledger.adopt([adoption(route, withHealing(entry, clock.now(), failure), entry)]);
      told++;
    }
  }
  return told;
}

/** A reason of S3's replication, as its documentation names them all. */
const REASON = /\b(?:(?:Dst|Src)[A-Z]\w+|AssumeRoleNotPermitted|InitiateReplicationNotPermitted)\b/;

/** Reports name the reason in the code or in the message, and elsewhere an HTTP status or a class of errors. */
function reasonOf(code: string, message: string): string {
  return REASON.exec(code)?.[0] ?? REASON.exec(message)?.[0] ?? code;
}
