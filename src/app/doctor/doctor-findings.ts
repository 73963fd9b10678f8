import { identity, interiorBuckets } from "../../config/interior.ts";
import { type ResolvedBucket, type ResolvedConfig, settingsOf } from "../../config/resolved-config.ts";
import type { ReplicationError } from "../../domain/error.ts";
import type { BucketSurvey, RightName } from "../../domain/fingerprint.ts";
import type { Destination, Rule } from "../../domain/rule.ts";

export type Level = "ok" | "warning" | "error";

/** One thing that was found, good or bad. */
export interface Finding {
  readonly level: Level;
  /** For scripts; the name of what is wrong, or of what was looked at. */
  readonly code: string;
  readonly message: string;
  /** What a person should do about it; null where there is nothing to do. */
  readonly hint: string | null;
  /** As it is printed. */
  readonly bucket: string | null;
  readonly rule: string | null;
  /** The id of a destination. */
  readonly destination: string | null;
}

/** Stores refuse requests that are further off. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const MAX_SKEW_MS = 15 * 60_000;
/** Beyond this the wrong one of two writes may count as the newer. */
const NOTABLE_SKEW_MS = 5_000;

/** What rules ask of one bucket. */
export interface Roles {
  readonly isSource: boolean;
  readonly isDestination: boolean;
  readonly isInterior: boolean;
  readonly rules: readonly Rule[];
}

export function rolesOf({ rules }: ResolvedConfig, { bucket }: ResolvedBucket): Roles {
  const isSource = rules.some(({ source }) => source.id === bucket.id);
  const writers = rules.filter(({ destinations }) => destinations.some((destination) => destination.bucket.id === bucket.id));
  const readers = rules.filter(({ source }) => source.id === bucket.id);
  const isInterior = interiorBuckets(rules).has(identity(bucket));
  return { isSource, isDestination: writers.length > 0, isInterior, rules: [...new Set([...readers, ...writers])] };
}

/** The one finding about a bucket that could not be looked at. */
export function unreachable({ bucket }: ResolvedBucket, error: ReplicationError): Finding {
  return finding("error", error.code, { message: error.message, hint: error.hint, bucket: bucket.name });
}

/** Judges a bucket by what the rules ask of it. The first finding says what it is. */
export function bucketFindings(place: ResolvedBucket, survey: BucketSurvey, roles: Roles): readonly Finding[] {
  const about = { bucket: place.bucket.name };
  return [
    finding("ok", "Reachable", { message: describe(place, survey) }),
    ...regionFindings(place, survey),
    ...clockFindings(survey, roles),
    ...rightFindings(survey, roles),
    ...traitFindings(survey, roles),
  ].map((found) => ({ ...found, ...about }));
}

function describe({ store }: ResolvedBucket, { server, region, versioning, objectLock, honours }: BucketSurvey): string {
  const conditions = honours === null ? [] : Object.entries(honours).flatMap(([name, is]) => (is ? [name.replace("conditional", "")] : []));
  return [
    `region ${region ?? store.region}`,
    ...(server === "" ? [] : [`server ${server}`]),
    versioning === null ? "versioning unknown" : `versioning ${versioning}`,
    ...(objectLock ? ["object lock"] : []),
    ...(honours === null ? [] : [`conditional ${conditions.length === 0 ? "writes: none" : conditions.join(", ")}`]),
  ].join(", ");
}

function regionFindings({ store }: ResolvedBucket, { region }: BucketSurvey): readonly Finding[] {
  if (region === null || region === store.region) return [];
  const level = store.endpoint === undefined ? "error" : "warning";
  return [finding(level, "RegionDiffers", { message: `is in ${region}, the config says ${store.region}`, hint: `write @${region}` })];
}

function clockFindings({ clockSkewMs }: BucketSurvey, { rules }: Roles): readonly Finding[] {
  const off = Math.abs(clockSkewMs ?? 0);
  const message = `the store's clock is ${Math.round(off / 1000)} s ${(clockSkewMs ?? 0) > 0 ? "ahead of" : "behind"} this machine's`;
  const hint = "set both clocks by NTP";
  if (off > MAX_SKEW_MS) return [finding("error", "ClockSkew", { message, hint })];
  const matters = rules.some(({ mesh, conflict }) => conflict === "newest" && mesh !== undefined);
  if (off <= NOTABLE_SKEW_MS) return [];
  const why = matters ? `${message}: conflict: newest may take the older write for the newer` : message;
  return [finding("warning", "ClockSkew", { message: why, hint })];
}

function rightFindings(survey: BucketSurvey, roles: Roles): readonly Finding[] {
  const { isSource, isDestination, rules } = roles;
  const denied = (right: RightName) => survey.rights[right] === "denied";
  const deletes = rules.some((rule) => rule.deletes !== "none");
  const findings: Finding[] = [];
  const tell = (level: Level, right: RightName, message: string) => {
    if (denied(right)) findings.push(finding(level, `Denied:${right}`, { message, hint: `allow ${ACTIONS[right]}` }));
  };
  tell("error", "list", "may not be listed: nothing can be compared");
  if (isSource) tell("error", "get", "objects may not be read");
  if (isSource && rules.some(({ preserve }) => preserve.tags)) tell("error", "readTags", "tags may not be read: objects would be FAILED");
  if (isDestination) tell("error", "put", "objects may not be written");
  if (isDestination) tell(deletes ? "error" : "warning", "delete", "objects may not be deleted");
  if (isDestination) tell("warning", "deleteVersion", "versions may not be deleted: the doctor could not clean up and tried no more");
  const history = rules.some(({ versions, deletes: mode }) => versions === "all" || mode !== "none");
  tell(history ? "error" : "warning", "listVersions", "versions may not be listed");
  return findings;
}

/** The permissions of IAM, which other vendors' policies name alike. */
const ACTIONS: Readonly<Record<RightName, string>> = {
  list: "s3:ListBucket",
  listVersions: "s3:ListBucketVersions",
  get: "s3:GetObject",
  put: "s3:PutObject",
  delete: "s3:DeleteObject",
  deleteVersion: "s3:DeleteObjectVersion",
  readTags: "s3:GetObjectTagging",
  writeTags: "s3:PutObjectTagging",
  readAcl: "s3:GetObjectAcl",
};

function traitFindings(survey: BucketSurvey, { isDestination, isInterior, rules }: Roles): readonly Finding[] {
  const { traits, objectLock, versioning, left } = survey;
  const findings: Finding[] = [];
  const warn = (code: string, message: string, hint?: string) => findings.push(finding("warning", code, { message, hint }));
  if (left !== null)
    warn("ProbeLeft", `${left} could not be removed again`, "remove it, and allow s3:DeleteObject and s3:DeleteObjectVersion");
  if (versioning === "Suspended")
    warn("VersioningSuspended", "versioning is suspended: an overwritten object is gone", "enable versioning");
  if (objectLock) warn("NotProbed", "has object lock, or may not be asked for it: nothing was written to find out how it behaves");
  if (traits.listsInOrder === false)
    findings.push(
      finding("error", "ListOrder", {
        message: "does not list all keys in the order of their UTF-8 bytes: it cannot be compared",
        hint: "replicate by events alone is not enough; use another store, or another kind of bucket",
      }),
    );
  if (isDestination && (traits.refusedKeys?.length ?? 0) > 0)
    warn("KeysRefused", `cannot hold keys with ${traits.refusedKeys?.join(", ")}`, "such objects are FAILED with KeyNotRepresentable");
  if (isDestination && traits.holdsKeyAndBelow === false)
    warn("KeysCollide", "cannot hold an object and others below it (a and a/b) at once", "such objects are FAILED");
  if (isDestination && traits.tags === false && rules.some(({ preserve }) => preserve.tags))
    warn("NoTags", "knows no tags: replicas go without them", "write preserve: { tags: false } to say so");
  if (isInterior && survey.honours?.conditionalPut === false)
    warn(
      "LostUpdatesPossible",
      "ignores conditions on writes: of two writes at the same moment one may be lost",
      "write to one member at a time, or use a store that honours If-Match",
    );
  return findings;
}

/** What rules ask that their buckets cannot hold (said before anything runs). `surveys` by canonical id. */
export function ruleFindings(config: ResolvedConfig, surveys: ReadonlyMap<string, BucketSurvey>): readonly Finding[] {
  const interior = interiorBuckets(config.rules);
  return config.rules.flatMap((rule) => {
    const source = surveys.get(rule.source.id);
    const ofPairs = rule.destinations.flatMap((destination) => {
      const survey = surveys.get(destination.bucket.id);
      const isInterior = interior.has(identity(destination.bucket));
      return survey === undefined ? [] : pairFindings(rule, destination, { survey, isInterior });
    });
    return [...(source === undefined ? [] : sourceFindings(rule, source)), ...ofPairs, ...eventFindings(config, rule)];
  });
}

interface Pair {
  readonly survey: BucketSurvey;
  readonly isInterior: boolean;
}

function pairFindings(rule: Rule, destination: Destination, { survey, isInterior }: Pair): readonly Finding[] {
  const about = { bucket: destination.bucket.name, rule: rule.id, destination: destination.id };
  const { versioning, honours } = survey;
  if (versioning === null) return [];
  const findings: Finding[] = [];
  const fail = (code: string, message: string, hint: string) => findings.push(finding("error", code, { ...about, message, hint }));
  if (rule.deletes === "markers" && versioning !== "Enabled")
    fail("MarkersNeedVersioning", "deletes: markers needs a versioned destination", "enable versioning there, or write deletes: propagate");
  if (rule.versions === "all" && versioning !== "Enabled")
    fail("VersionsNeedVersioning", "versions: all needs a versioned destination", "enable versioning there, or write versions: current");
  const isUnsafe = rule.deletes === "propagate" && isInterior && versioning !== "Enabled" && honours?.conditionalDelete !== true;
  if (isUnsafe && !rule.unsafeDeletes)
    fail(
      "UnsafeDeletes",
      "has neither versions nor conditional deletes: a delete could hit another client's write",
      "enable versioning there, or accept the risk with unsafe: [unconditional-deletes]",
    );
  return findings;
}

function sourceFindings(rule: Rule, { versioning }: BucketSurvey): readonly Finding[] {
  if (versioning !== "Unversioned") return [];
  const about = { bucket: rule.source.name, rule: rule.id };
  const warn = (code: string, message: string, hint: string) => [finding("warning", code, { ...about, message, hint })];
  if (rule.deletes === "markers")
    return warn("NoMarkers", "makes no delete markers: it is not versioned", "enable versioning, or write deletes: propagate");
  if (rule.versions === "all") return warn("NoVersions", "has no versions but the current ones", "enable versioning");
  return [];
}

function eventFindings(config: ResolvedConfig, rule: Rule): readonly Finding[] {
  const { events, syncMs } = settingsOf(config, rule);
  if (!rule.enabled || events.type !== "none" || syncMs !== null) return [];
  const about = { bucket: rule.source.name, rule: rule.id, hint: "set events, or schedule.sync" };
  return [finding("warning", "NothingTells", { ...about, message: "nothing tells of changes: neither events nor a scheduled sync" })];
}

/** What a finding says, and of what. */
export interface FindingText {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly bucket?: string | undefined;
  readonly rule?: string | undefined;
  readonly destination?: string | undefined;
}

export function finding(level: Level, code: string, { message, hint, bucket, rule, destination }: FindingText): Finding {
  return { level, code, message, hint: hint ?? null, bucket: bucket ?? null, rule: rule ?? null, destination: destination ?? null };
}
