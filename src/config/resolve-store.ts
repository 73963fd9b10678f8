import { canonicalPlace } from "../domain/bucket.ts";
import { ReplicationError } from "../domain/error.ts";
import type { CredentialsDocument, EventsDocument, LimitsDocument, StoreDocument } from "./config-document.ts";
import type { Credentials, Environment, EventsSetting, Limits, ResolvedStore } from "./resolved-config.ts";
import { parseDuration, parseRate } from "./units.ts";

export const DEFAULT_STORE = "aws";

const DEFAULT_REGION = "us-east-1";
const MAX_CONNECTIONS = 64;
const AWS_HOST = /^s3[.-](?:dualstack\.)?(?:([a-z0-9-]+)\.)?amazonaws\.com(?:\.cn)?$/;

/** Makes the store that a config describes. Nothing is read but `env`. */
export function resolveStore(alias: string, document: StoreDocument, env: Environment): ResolvedStore {
  const endpoint = document.endpoint === undefined ? environmentEndpoint(env) : originOf(document.endpoint);
  const fallback = document.endpoint === undefined ? environmentRegion(env) : (awsRegionOf(endpoint) ?? DEFAULT_REGION);
  return {
    alias,
    endpoint,
    isAws: document.endpoint === undefined || awsRegionOf(endpoint) !== undefined,
    region: document.region ?? fallback,
    forcePathStyle: document.forcePathStyle ?? endpoint !== undefined,
    credentials: resolveCredentials(document.credentials ?? {}),
    tls: { caFile: document.tls?.caFile },
    events: document.events === undefined ? { type: "none" } : resolveEvents(document.events),
    maxConnections: document.maxConnections,
    limits: resolveLimits(document.limits),
  };
}

/** The store `aws` as it is where no config redefines it. */
export function defaultStore(env: Environment): ResolvedStore {
  return resolveStore(DEFAULT_STORE, { maxConnections: MAX_CONNECTIONS }, env);
}

/** The one-off store behind a URL: path style, region from the environment, credentials from the default chain. */
export function urlStore(origin: string, env: Environment): ResolvedStore {
  const region = awsRegionOf(origin) ?? environmentRegion(env);
  return resolveStore(origin, { endpoint: origin, region, forcePathStyle: true, maxConnections: MAX_CONNECTIONS }, env);
}

/** The place that keys rows: AWS's own endpoints count as AWS, however they are spelled. */
export function placeOf(store: ResolvedStore): string {
  const region = awsRegionOf(store.endpoint);
  return region === undefined ? canonicalPlace(store.endpoint, store.region) : canonicalPlace(undefined, region);
}

/** Returns what is wrong with the credentials as a whole, or undefined. */
export function credentialsProblem(document: CredentialsDocument): { readonly message: string; readonly hint: string } | undefined {
  const forms = "write { accessKeyId, secretAccessKey }, or { profile }, or { roleArn }";
  const isStatic = document.accessKeyId !== undefined || document.secretAccessKey !== undefined || document.sessionToken !== undefined;
  const kinds = [isStatic, document.profile !== undefined, document.roleArn !== undefined].filter(Boolean).length;
  if (kinds === 0) return { message: "name no credentials", hint: `${forms}; leave them out for the default chain` };
  if (kinds > 1) return { message: "mix several kinds of credentials", hint: forms };
  if (isStatic && (document.accessKeyId === undefined || document.secretAccessKey === undefined)) {
    return { message: "need both accessKeyId and secretAccessKey", hint: forms };
  }
  if (document.externalId !== undefined && document.roleArn === undefined)
    return { message: "have an externalId without a roleArn", hint: forms };
  return undefined;
}

export function resolveEvents(events: EventsDocument): EventsSetting {
  if (events.type === "poll") return { type: "poll", everyMs: known(parseDuration(events.every), events.every) };
  return events;
}

export function resolveLimits(limits: LimitsDocument = {}): Limits {
  const bandwidth = limits.bandwidth;
  return {
    concurrency: limits.concurrency,
    bandwidthBytesPerSecond: bandwidth === undefined ? undefined : known(parseRate(bandwidth), bandwidth),
    requestsPerSecond: limits.requestsPerSecond,
  };
}

function resolveCredentials(document: CredentialsDocument): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken, profile, roleArn, externalId } = document;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { kind: "static", accessKeyId, secretAccessKey, sessionToken };
  if (profile !== undefined) return { kind: "profile", profile };
  if (roleArn !== undefined) return { kind: "role", roleArn, externalId };
  return { kind: "default" };
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html */
function environmentEndpoint(env: Environment): string | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === "true") return undefined;
  const name = env.AWS_ENDPOINT_URL_S3 ? "AWS_ENDPOINT_URL_S3" : "AWS_ENDPOINT_URL";
  const value = env[name];
  if (!value) return undefined;
  if (URL.canParse(value) && /^https?:/i.test(value)) return originOf(value);
  throw new ReplicationError("ConfigInvalid", `${name} is no URL`, { hint: `set ${name} to http(s)://host[:port], or unset it` });
}

function environmentRegion(env: Environment): string {
  return env.AWS_REGION || env.AWS_DEFAULT_REGION || DEFAULT_REGION;
}

function originOf(endpoint: string): string {
  return new URL(endpoint).origin;
}

function awsRegionOf(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const found = AWS_HOST.exec(new URL(endpoint).hostname);
  return found === null ? undefined : (found[1] ?? DEFAULT_REGION);
}

function known(value: number | undefined, text: string): number {
  if (value === undefined) throw new ReplicationError("ConfigInvalid", `"${text}" cannot be read`);
  return value;
}
