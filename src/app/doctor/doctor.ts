import type { Environment, ResolvedBucket, ResolvedConfig } from "../../config/resolved-config.ts";
import { isReplicationError, toReplicationError } from "../../domain/error.ts";
import type { BucketSurvey } from "../../domain/fingerprint.ts";
import { openState, stateExists } from "../state.ts";
import { openStores, type Stores } from "../stores.ts";
import { systemClock } from "../system-clock.ts";
import { bucketFindings, type Finding, type Roles, rolesOf, ruleFindings, unreachable } from "./doctor-findings.ts";

export type { Finding } from "./doctor-findings.ts";

export interface BucketReport {
  /** As it is printed. */
  readonly bucket: string;
  readonly id: string;
  readonly roles: readonly ("source" | "destination" | "interior")[];
  /** Null where the bucket could not be looked at. */
  readonly survey: BucketSurvey | null;
}

export interface DoctorReport {
  readonly buckets: readonly BucketReport[];
  readonly findings: readonly Finding[];
}

export interface DoctorRun {
  readonly config: ResolvedConfig;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** Also proves the way of each source's events, with the stores opened for the doctor. */
  readonly proveEvents?: ((stores: Stores) => Promise<readonly Finding[]>) | undefined;
}

/** A bucket that takes longer is as good as away; milliseconds. */
const SURVEY_TIMEOUT_MS = 120_000;

/**
 * Tries every bucket of a config, judges it by what the rules ask of it, and keeps what was found in the state where there is one that no
 * daemon has. Leaves no key behind.
 */
export async function examine({ config, env, signal, proveEvents }: DoctorRun): Promise<DoctorReport> {
  const stores = await openStores({ buckets: Object.values(config.buckets), limits: config.limits, env });
  try {
    const places = Object.values(config.buckets);
    const examined = await Promise.all(places.map((place) => examineBucket(stores, place, { roles: rolesOf(config, place), signal })));
    const surveys = new Map(examined.flatMap(({ report }) => (report.survey === null ? [] : [[report.id, report.survey] as const])));
    await keep(config, surveys);
    const ofEvents = (await proveEvents?.(stores)) ?? [];
    const ofBuckets = examined.flatMap(({ findings }) => findings);
    return { buckets: examined.map(({ report }) => report), findings: [...ofBuckets, ...ruleFindings(config, surveys), ...ofEvents] };
  } finally {
    await stores.close();
  }
}

interface Examined {
  readonly report: BucketReport;
  readonly findings: readonly Finding[];
}

async function examineBucket(
  stores: Stores,
  place: ResolvedBucket,
  { roles, signal }: { readonly roles: Roles; readonly signal: AbortSignal },
): Promise<Examined> {
  const { bucket } = place;
  const about = { bucket: bucket.name, id: bucket.id, roles: namesOf(roles) };
  try {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(SURVEY_TIMEOUT_MS)]);
    const survey = await stores.survey(bucket, { isDestination: roles.isDestination, signal: soon });
    return { report: { ...about, survey }, findings: bucketFindings(place, survey, roles) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { report: { ...about, survey: null }, findings: [unreachable(place, toReplicationError(error))] };
  }
}

function namesOf({ isSource, isDestination, isInterior }: Roles): BucketReport["roles"] {
  if (isInterior) return ["source", "destination", "interior"];
  return [...(isSource ? (["source"] as const) : []), ...(isDestination ? (["destination"] as const) : [])];
}

/** Beside a daemon nothing is written: it finds out for itself what it does not know. */
async function keep(config: ResolvedConfig, surveys: ReadonlyMap<string, BucketSurvey>): Promise<void> {
  if (!stateExists(config)) return;
  const state = await openState(config, "daemon").catch((error: unknown) => {
    if (isReplicationError(error) && error.code === "LedgerLocked") return undefined;
    throw error;
  });
  if (state === undefined) return;
  try {
    for (const [bucket, { server, honours, traits }] of surveys) {
      if (honours === null) continue;
      await state.safeguards.saveFingerprint(bucket, { takenAt: systemClock.now(), server, honours, survey: traits });
    }
  } finally {
    await state.close();
  }
}
