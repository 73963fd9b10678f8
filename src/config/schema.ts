import { z } from "zod";
import { ENGINES } from "../domain/rule.ts";
import type { ConfigDocument, RuleDocument, StoreDocument } from "./config-document.ts";
import { isMap } from "./precedence.ts";
import type { Path } from "./problem.ts";
import { TOKEN_SCOPES } from "./resolved-config.ts";
import { Secret } from "./secret.ts";
import { parseDuration, parseRate, parseSize } from "./units.ts";

/** Region names that open a region map: `{eu-west-1: photos}`. */
export const AWS_REGION: RegExp = /^(?:[a-z]{2}|us-gov|us-iso[a-z]?)-[a-z]+-\d{1,2}$/;

/** A rule has a source with destinations, or a mesh. */
export const MISSING_SIDE = "is missing";
export const TWO_FORMS = "stands beside source or destinations";
export const TOO_FEW_MEMBERS = "needs two members at least";

/** Of two tags. */
export const CASE_ONLY = "by case only, which IAM takes for the same";

/** On roles, beside replicast's own. */
const MAX_TAGS = 40;

const text = z.string().min(1, "must not be empty");
const id = z.string().regex(/^[A-Za-z0-9._-]+$/, 'may hold letters, digits, ".", "-" and "_" only');
const secret = text.transform((value) => new Secret(value));
const number = (min: number, max = Number.MAX_SAFE_INTEGER) => z.number().int("must be a whole number").min(min).max(max);

/** A number or switch that may also have come as text, out of `${VAR}`. */
const digits = z.string().refine((value) => /^\d+$/.test(value), "must be a whole number");
const integer = (min: number, max?: number) => z.union([number(min, max), digits.transform(Number).pipe(number(min, max))]);
const trueOrFalse = z.string().refine((value) => value === "true" || value === "false", "must be true or false");
const flag = z.union([z.boolean(), trueOrFalse.transform((value) => value === "true")]);

const duration = z.string().refine((value) => (parseDuration(value) ?? 0) > 0, "must be a duration such as 500ms, 30s, 10m, 24h or 7d");
const durationOrOff = z
  .string()
  .refine((value) => value === "off" || (parseDuration(value) ?? 0) > 0, "must be a duration such as 24h, or off");
const rate = z.string().refine((value) => (parseRate(value) ?? 0) > 0, "must be a rate such as 500MiB/s");
const size = z.union([
  number(0),
  z.string().refine((value) => parseSize(value) !== undefined, "must be a size such as 64MiB, 1GB or 4096"),
]);

const endpoint = z.string().refine(isEndpoint, "must be http(s)://host[:port] without a path, query or credentials");

/** Also a fraction, as amounts of money are. */
const fraction = z.string().refine((value) => /^\d+(?:\.\d+)?$/.test(value), "must be a number");
const amount = z.union([z.number().min(0), fraction.transform(Number)]);

const account = z.string().refine((value) => /^\d{12}$/.test(value), "must be the 12 digits of an AWS account");
const kmsKeys = z.array(text).min(1, "must name at least one key");
const engine = z.enum(["auto", ...ENGINES]);
const versioning = z.enum(["require", "enable"]);

const limits = z.strictObject({
  concurrency: integer(1, 65_536).optional(),
  bandwidth: rate.optional(),
  requestsPerSecond: integer(1).optional(),
});

const credentials = z.strictObject({
  accessKeyId: text.optional(),
  secretAccessKey: secret.optional(),
  sessionToken: secret.optional(),
  profile: text.optional(),
  roleArn: text.optional(),
  externalId: text.optional(),
});

const events = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("webhook"), arn: text.optional() }),
  z.strictObject({ type: z.literal("sqs"), queueUrl: z.url().optional(), region: text.optional() }),
  z.strictObject({ type: z.literal("poll"), every: duration.default("30s") }),
  z.strictObject({ type: z.literal("none") }),
]);

const store = z.strictObject({
  endpoint: endpoint.optional(),
  region: text.optional(),
  forcePathStyle: flag.optional(),
  credentials: credentials.optional(),
  tls: z.strictObject({ caFile: text.optional() }).optional(),
  events: events.optional(),
  maxConnections: integer(1, 65_536).default(64),
  limits: limits.optional(),
});

const bucketMap = z.strictObject({ bucket: text, store: text.optional(), region: text.optional(), account: account.optional() });
const sourceMap = bucketMap.extend({ prefix: z.string().optional(), events: events.optional(), kmsKeys: kmsKeys.optional() });
const encryption = z
  .strictObject({ type: z.enum(["AES256", "aws:kms"]), keyId: text.optional() })
  .refine(({ type, keyId }) => type === "aws:kms" || keyId === undefined, { path: ["keyId"], error: "needs type: aws:kms" });
const replicaMap = bucketMap.extend({
  storageClass: text.optional(),
  encryption: encryption.optional(),
  owner: z.enum(["source", "destination"]).optional(),
  replicationTime: flag.optional(),
  createBuckets: flag.optional(),
  versioning: versioning.optional(),
});
const existingLimits = z
  .strictObject({ maxObjects: integer(0).optional(), maxCost: amount.optional() })
  .refine(({ maxObjects, maxCost }) => maxObjects !== undefined || maxCost !== undefined, "needs maxObjects or maxCost");
const existingObjects = z.union([flag, existingLimits]);
const destinationMap = replicaMap.extend({
  prefix: z.string().optional(),
  id: text.optional(),
  existingObjects: existingObjects.optional(),
});
const memberMap = replicaMap.extend({
  regions: z.array(text).min(1, "must name at least one region").optional(),
  kmsKeys: kmsKeys.optional(),
  events: events.optional(),
});
const regionMap = z
  .record(z.string().regex(AWS_REGION), text)
  .refine((value) => Object.keys(value).length === 1, "a region map has one entry, as in {eu-west-1: photos}");

const filter = z.strictObject({
  prefix: z.string().optional(),
  suffix: z.string().optional(),
  tags: z.record(text, z.string()).optional(),
  minBytes: size.optional(),
  maxBytes: size.optional(),
});

/** A member as the buckets it stands for: one, or one for every region. */
function bucketsOf(member: z.infer<typeof memberMap> | z.infer<typeof regionMap> | string): readonly unknown[] {
  return typeof member === "object" && Array.isArray(member.regions) ? member.regions : [member];
}

const areEnough = (all: readonly Parameters<typeof bucketsOf>[0][]) => all.flatMap(bucketsOf).length > 1;
const members = z.array(z.union([text, memberMap, regionMap])).refine(areEnough, TOO_FEW_MEMBERS);
/** The one entry of a list that needs no other. */
const membersInRegions = memberMap.refine((member) => areEnough([member]), TOO_FEW_MEMBERS).transform((member) => [member]);

const preserve = z.strictObject({
  tags: flag.default(true),
  storageClass: flag.default(true),
  acl: flag.default(false),
  objectLock: flag.default(true),
  encryption: flag.default(true),
});

const restore = z.strictObject({
  days: integer(1, 365).default(3),
  tier: z.enum(["Standard", "Bulk", "Expedited"]).default("Standard"),
});

const ruleMap = z.strictObject({
  id,
  source: z.union([text, sourceMap, regionMap]).optional(),
  destinations: z
    .array(z.union([text, destinationMap, regionMap]))
    .min(1, "must name at least one bucket")
    .optional(),
  mesh: z.union([members, membersInRegions]).optional(),
  engine: engine.default("auto"),
  enabled: flag.default(true),
  filter: filter.prefault({}),
  preserve: preserve.prefault({}),
  restore: restore.optional(),
  existingObjects: existingObjects.default(true),
  replicationTime: flag.default(false),
  createBuckets: flag.default(false),
  versioning: versioning.default("require"),
  conflict: z.enum(["newest", "priority", "hold"]).optional(),
  deletes: z.enum(["none", "markers", "propagate"]).default("none"),
  expirations: flag.default(false),
  versions: z.enum(["current", "all"]).optional(),
  transit: flag.default(false),
  stamp: z.enum(["interior", "always", "never"]).default("interior"),
  unsafe: z.array(z.literal("unconditional-deletes")).default([]),
  renamedFrom: id.optional(),
  limits: limits.optional(),
});

/** Holds whatever else is wrong with the rule, so that all is said at once. */
const evenIfWrong = { when: ({ value }: { readonly value: unknown }) => isMap(value) };
const rule = ruleMap
  .refine(({ mesh, source }) => mesh !== undefined || source !== undefined, { path: ["source"], error: MISSING_SIDE, ...evenIfWrong })
  .refine(({ mesh, destinations }) => mesh !== undefined || destinations !== undefined, {
    path: ["destinations"],
    error: MISSING_SIDE,
    ...evenIfWrong,
  })
  .refine(({ mesh, source, destinations }) => mesh === undefined || (source ?? destinations) === undefined, {
    path: ["mesh"],
    error: TWO_FORMS,
    ...evenIfWrong,
  })
  .meta({ oneOf: [{ required: ["source", "destinations"] }, { required: ["mesh"] }] });

const deleteGate = z.strictObject({
  max: integer(0).default(1000),
  percent: integer(0, 100).default(10),
  window: duration.default("10m"),
});

const listen = z.strictObject({
  host: text.default("127.0.0.1"),
  port: integer(0, 65_535).default(8417),
  tokens: z.array(z.strictObject({ token: secret, scope: z.enum(TOKEN_SCOPES) })).default([]),
  tls: z.strictObject({ certFile: text, keyFile: text }).optional(),
});

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html */
const TAG_SIGNS = /^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$/u;
const OTHER_SIGNS = 'may hold letters, digits, spaces and "_.:/=+-@" only';
const tagKey = z
  .string()
  .regex(/^(?!aws:|replicast:).{1,128}$/is, "is no tag of one's own: 1 to 128 characters, not beginning with aws: or replicast:")
  .refine((key) => TAG_SIGNS.test(key), OTHER_SIGNS);
const tagValue = z
  .string()
  .max(256, "must have at most 256 characters")
  .refine((value) => TAG_SIGNS.test(value), OTHER_SIGNS)
  .refine((value) => !/^aws:/i.test(value), "must not begin with aws:");
const tags = z
  .record(tagKey, tagValue)
  .refine((all) => Object.keys(all).length <= MAX_TAGS, `must be at most ${MAX_TAGS}: a role has 50, some of them replicast's own`)
  .superRefine((all, context) => {
    const seen = new Map<string, string>();
    for (const key of Object.keys(all)) {
      const first = seen.get(key.toLowerCase());
      if (first === undefined) seen.set(key.toLowerCase(), key);
      else context.addIssue({ code: "custom", path: [key], message: `differs from "${first}" ${CASE_ONLY}` });
    }
  });

const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'may hold lower-case letters, digits and "-" only (at most 63)');
const alias = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a store is named by letters, digits, ".", "-" and "_"');

/** https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html */
const iam = z.strictObject({
  path: z
    .string()
    .regex(/^\/(?:[!-~]+\/)?$/, 'must begin and end with "/", as in /replicast/')
    .max(512, "must have at most 512 characters")
    .optional(),
  permissionsBoundary: z
    .string()
    .regex(/^arn:[a-z-]+:iam::(?:aws|\d{12}):policy\/.+$/, "must be the ARN of a policy")
    .optional(),
  tags: tags.default({}),
  roleArn: z
    .string()
    .regex(/^arn:[a-z-]+:iam::\d{12}:role\/.+$/, "must be the ARN of a role")
    .optional(),
  rolePrefix: z
    .string()
    .regex(/^[\w+=,.@-]{1,40}$/, 'may hold letters, digits and "+=,.@_-" only (at most 40)')
    .optional(),
  propagation: duration.default("15s"),
});

const config = z.strictObject({
  version: z.literal(1).default(1),
  name: name.default("replicast"),
  stores: z.record(alias, store).default({}),
  rules: z.array(rule).default([]),
  runtime: z.literal("standalone").default("standalone"),
  state: text.default("sqlite:./replicast.db"),
  listen: listen.prefault({}),
  limits: limits.extend({ concurrency: integer(1, 65_536).default(64) }).prefault({}),
  deleteGate: deleteGate.prefault({}),
  retry: z
    .strictObject({ maxAttempts: integer(1).default(10), initial: duration.default("1s"), max: duration.default("15m") })
    .prefault({}),
  schedule: z.strictObject({ sync: durationOrOff.optional(), attributes: durationOrOff.default("7d") }).prefault({}),
  iam: iam.prefault({}),
});

/** Fails to compile where the schema and the written types part. */
type Same<A, B> = [Frozen<A>, B] extends [B, Frozen<A>] ? true : never;
type Frozen<T> = T extends Secret | string ? T : { readonly [K in keyof T]: Frozen<T[K]> };
const same: readonly [
  Same<z.infer<typeof store>, StoreDocument>,
  Same<z.infer<typeof rule>, RuleDocument>,
  Same<z.infer<typeof config>, ConfigDocument>,
] = [true, true, true];
void same;

/** What the schema holds against a value. */
export interface SchemaIssue {
  readonly path: Path;
  readonly code: string;
  readonly message: string;
  /** Keys that the schema does not know. */
  readonly unknownKeys: readonly string[];
}

export type Parsed<T> =
  | { readonly value: T; readonly issues: readonly [] }
  | { readonly value?: undefined; readonly issues: readonly SchemaIssue[] };

/** Checks a whole config and fills in its defaults. */
export function parseConfig(value: unknown): Parsed<ConfigDocument> {
  return parsed(config, value);
}

export function parseStore(value: unknown): Parsed<StoreDocument> {
  return parsed(store, value);
}

export function parseRule(value: unknown): Parsed<RuleDocument> {
  return parsed(rule, value);
}

/** A value that stands for the rest of a config whose rules or stores the schema refused. */
export function withoutParts(value: unknown): Parsed<ConfigDocument> {
  return parsed(config, isMap(value) ? { ...value, stores: {}, rules: [] } : {});
}

/** The keys known at a place of a config, for guessing at what an unknown one was meant to be. */
export function knownKeys(path: Path): readonly string[] {
  const keys = new Set<string>();
  for (const schema of schemasAt([config], path)) {
    if (schema instanceof z.ZodObject) for (const key of Object.keys(schema.shape)) keys.add(key);
  }
  return [...keys];
}

/** The JSON Schema of what may be written into a replicast.yaml, without what asks for nothing (`deletes: none`). */
export function bareJsonSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(config, { io: "input", target: "draft-7" });
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): Parsed<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, issues: [] };
  return { issues: result.error.issues.flatMap((issue) => flatten(issue, [])) };
}

function flatten(issue: z.core.$ZodIssue, base: Path): readonly SchemaIssue[] {
  const path = [...base, ...issue.path.map(step)];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    return bestBranch(issue.errors).flatMap((inner) => flatten(inner, path));
  }
  const unknownKeys = issue.code === "unrecognized_keys" ? issue.keys : [];
  return [{ path, code: issue.code, message: sentence(issue), unknownKeys }];
}

/** The branch of a union that was most likely meant: one whose type fits the value, the first of them; a map before a region map. */
function bestBranch(branches: readonly z.core.$ZodIssue[][]): readonly z.core.$ZodIssue[] {
  const fits = (branch: readonly z.core.$ZodIssue[]) => branch.every((issue) => issue.path.length > 0 || issue.code !== "invalid_type");
  return branches.find(fits) ?? branches[0] ?? [];
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  if (issue.code === "invalid_union") return 'needs a "type": webhook, sqs, poll or none';
  return issue.message.replace(/^Invalid (?:input|option|string|key|number): /, "");
}

function step(part: PropertyKey): string | number {
  return typeof part === "symbol" ? String(part) : part;
}

function schemasAt(schemas: readonly z.core.$ZodType[], path: Path): readonly z.core.$ZodType[] {
  const opened = schemas.flatMap(unwrapped);
  const [first, ...rest] = path;
  if (first === undefined) return opened;
  return schemasAt(
    opened.flatMap((schema) => child(schema, first)),
    rest,
  );
}

/** The schemas behind defaults, options, unions and transformations. */
function unwrapped(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrapped(schema.unwrap());
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrapped);
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in);
  return [schema];
}

function child(schema: z.core.$ZodType, key: string | number): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  const found = schema instanceof z.ZodObject ? schema.shape[key] : undefined;
  return found === undefined ? [] : [found];
}

function isEndpoint(value: string): boolean {
  if (!/^https?:\/\/[^/?#@\\]+\/?$/i.test(value)) return false;
  return URL.canParse(value);
}
