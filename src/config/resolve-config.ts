import { resolve } from "node:path";
import type { GateLimits } from "../domain/delete-gate.ts";
import { checkRules } from "./check-rules.ts";
import type { ConfigDocument, RuleDocument, StoreDocument } from "./config-document.ts";
import { checkEngines } from "./engines/check-engines.ts";
import type { Finding, Path } from "./problem.ts";
import { checkReferences, type RuleResolution, resolveRule } from "./resolve-rules.ts";
import { credentialsProblem, DEFAULT_STORE, defaultStore, resolveLimits, resolveStore } from "./resolve-store.ts";
import {
  type Environment,
  type EventsSetting,
  type Iam,
  type Listen,
  type ResolvedBucket,
  type ResolvedConfig,
  type ResolvedStore,
  type RuleSettings,
  type Schedule,
  settingsKey,
} from "./resolved-config.ts";
import { parseDuration } from "./units.ts";

/** The parts of a config that the schema has accepted; where it refused one, the others are still checked. */
export interface ConfigParts {
  readonly stores: readonly (readonly [alias: string, StoreDocument | undefined])[];
  /** With the index each has in the file. */
  readonly rules: readonly (readonly [index: number, RuleDocument | undefined])[];
  /** As they were written. @defaultValue none */
  readonly refusedRules?: readonly (readonly [index: number, written: unknown])[] | undefined;
  /** Everything else. */
  readonly rest: ConfigDocument | undefined;
}

export interface ResolveScope {
  readonly env: Environment;
  /** Directories that relative paths start from. */
  readonly directories: { readonly file: string; readonly state: string };
  /** Where findings are added. */
  readonly findings: Finding[];
  /** Is true for a place whose value could not be made out, so that nothing more is to be said about it. */
  readonly isUnknown: (path: Path) => boolean;
}

const SYNC_WITH_QUEUE_MS = 24 * 3_600_000;
const SYNC_WITHOUT_QUEUE_MS = 3_600_000;

/** Looks everything up. Findings say what cannot be; the result then is of no use and undefined. */
export function resolveConfig(parts: ConfigParts, scope: ResolveScope): ResolvedConfig | undefined {
  const stores = resolveStores(parts, scope);
  const resolutions = resolveRules(parts, stores, scope);
  if (parts.rest !== undefined) checkListen(parts.rest.listen, scope);
  const state = parts.rest === undefined ? undefined : resolveState(parts.rest.state, scope);
  if (parts.rest === undefined || state === undefined || scope.findings.length > 0) return undefined;
  return assemble(parts.rest, { stores, resolutions, state, scope });
}

function resolveStores(parts: ConfigParts, scope: ResolveScope): Readonly<Record<string, ResolvedStore>> {
  const stores = new Map<string, ResolvedStore>([[DEFAULT_STORE, defaultStore(scope.env)]]);
  for (const [alias, document] of parts.stores) {
    const problem = document?.credentials === undefined ? undefined : credentialsProblem(document.credentials);
    if (problem !== undefined) scope.findings.push({ path: ["stores", alias, "credentials"], ...problem });
    if (alias.toLowerCase() === "arn")
      scope.findings.push({ path: ["stores", alias], message: "cannot name a store", hint: "choose another name", atKey: true });
    const store = resolveStore(alias, document ?? { maxConnections: 1 }, scope.env);
    const caFile = store.tls.caFile === undefined ? undefined : resolve(scope.directories.file, store.tls.caFile);
    stores.set(alias, { ...store, tls: { caFile } });
  }
  return Object.fromEntries(stores);
}

function resolveRules(parts: ConfigParts, stores: Readonly<Record<string, ResolvedStore>>, scope: ResolveScope): readonly RuleResolution[] {
  const refused = new Set(parts.stores.filter(([, document]) => document === undefined).map(([alias]) => alias));
  const name = parts.rest?.name ?? "";
  const documents = parts.rules.flatMap(([index, document]) => (document === undefined ? [] : [{ path: ["rules", index], document }]));
  checkIds(documents, scope);
  checkRenames(documents, scope);
  const perRule = documents.map(({ path, document }) =>
    resolveRule(document, path, { stores, name, env: scope.env, findings: scope.findings }),
  );
  for (const [index, written] of parts.refusedRules ?? [])
    checkReferences(written, ["rules", index], { stores, name, env: scope.env, findings: scope.findings });
  const found = perRule.flat();
  const certain = found.filter((resolution) => !scope.isUnknown(resolution.path) && !usesAny(resolution, refused));
  const isComplete = documents.length === parts.rules.length && perRule.every((resolutions) => resolutions.length > 0);
  scope.findings.push(...checkRules(certain, { rules: found.map(({ rule }) => rule), isComplete }), ...checkEngines(certain));
  return found;
}

/** A rule over a store that the schema refused has no certain place. */
function usesAny(resolution: RuleResolution, aliases: ReadonlySet<string>): boolean {
  return [resolution.source, ...resolution.destinations].some(({ bucket }) => aliases.has(bucket.store));
}

interface PlacedDocument {
  readonly path: Path;
  readonly document: RuleDocument;
}

function checkIds(rules: readonly PlacedDocument[], scope: ResolveScope): void {
  const ids = new Set<string>();
  for (const { path, document } of rules) {
    const { id } = document;
    if (ids.has(id))
      scope.findings.push({ path: [...path, "id"], message: `a second rule has the id "${id}"`, hint: "give each rule an id of its own" });
    ids.add(id);
  }
}

/** One rule can take over the rows of another, and only of one that is gone. */
function checkRenames(rules: readonly PlacedDocument[], scope: ResolveScope): void {
  const taken = new Set(rules.map(({ document }) => document.id));
  for (const { path, document } of rules) {
    const { renamedFrom } = document;
    if (renamedFrom === undefined) continue;
    const message = `"${renamedFrom}" is the id of a rule that is there, or has another name already`;
    if (taken.has(renamedFrom)) scope.findings.push({ path: [...path, "renamedFrom"], message, hint: "name the former id of this rule" });
    taken.add(renamedFrom);
  }
}

function checkListen(listen: ConfigDocument["listen"], scope: ResolveScope): void {
  if (isLoopback(listen.host) || listen.tokens.length > 0) return;
  const hint = "add listen.tokens: [{ token: …, scope: admin }], or listen on 127.0.0.1";
  scope.findings.push({ path: ["listen", "host"], message: `${listen.host} can be reached from outside: a token is required`, hint });
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

function resolveState(state: string, scope: ResolveScope): ResolvedConfig["state"] | undefined {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(state)?.[1];
  if (path !== undefined) return { kind: "sqlite", path: resolve(scope.directories.state, path) };
  scope.findings.push({ path: ["state"], message: "is no state that replicast knows", hint: "write state: sqlite:./replicast.db" });
  return undefined;
}

interface Pieces {
  readonly stores: Readonly<Record<string, ResolvedStore>>;
  readonly resolutions: readonly RuleResolution[];
  readonly state: ResolvedConfig["state"];
  readonly scope: ResolveScope;
}

function assemble(document: ConfigDocument, { stores, resolutions, state, scope }: Pieces): ResolvedConfig {
  const placed = resolutions.flatMap((resolution) => [resolution.source, ...resolution.destinations]);
  const settings = resolutions.map((resolution) => [settingsKey(resolution.rule), settingsFor(resolution, document)] as const);
  const { maxAttempts, initial, max } = document.retry;
  return deepFrozen({
    name: document.name,
    stores: { ...stores, ...urlStores(placed, stores) },
    rules: resolutions.map((resolution) => resolution.rule),
    ruleSettings: Object.fromEntries(settings),
    buckets: Object.fromEntries(placed.map((bucket) => [bucket.bucket.id, bucket])),
    runtime: document.runtime,
    state,
    listen: resolveListen(document.listen, scope.directories.file),
    limits: { ...resolveLimits(document.limits), concurrency: document.limits.concurrency },
    deleteGate: gateLimits(document),
    retry: { maxAttempts, initialMs: parseDuration(initial) ?? 0, maxMs: parseDuration(max) ?? 0 },
    schedule: scheduleOf(
      document,
      settings.map(([, setting]) => setting),
    ),
    iam: resolveIam(document),
  });
}

function resolveIam({ name, iam }: ConfigDocument): Iam {
  const { path = `/replicast/${name}/`, propagation, ...rest } = iam;
  return { path, ...rest, propagationMs: parseDuration(propagation) ?? 0 };
}

/** The stores that rules made by naming URLs. */
function urlStores(placed: readonly ResolvedBucket[], stores: Readonly<Record<string, ResolvedStore>>): Record<string, ResolvedStore> {
  const added = placed.filter(({ store }) => !Object.hasOwn(stores, store.alias));
  return Object.fromEntries(added.map(({ store }) => [store.alias, store]));
}

function settingsFor(resolution: RuleResolution, document: ConfigDocument): RuleSettings {
  return { ...resolution.settings, syncMs: syncOf(document.schedule.sync, resolution.settings.events) };
}

function gateLimits({ deleteGate }: ConfigDocument): GateLimits {
  const { max, percent, window } = deleteGate;
  return { max, percent, windowMs: parseDuration(window) ?? 0 };
}

function syncOf(written: string | undefined, events: EventsSetting): number | null {
  if (written !== undefined) return durationOrOff(written);
  return events.type === "sqs" ? SYNC_WITH_QUEUE_MS : SYNC_WITHOUT_QUEUE_MS;
}

function scheduleOf(document: ConfigDocument, settings: readonly RuleSettings[]): Schedule {
  const { sync, attributes } = document.schedule;
  const periods = settings.flatMap(({ syncMs }) => (syncMs === null ? [] : [syncMs]));
  const syncMs = sync === undefined ? Math.min(SYNC_WITH_QUEUE_MS, ...periods) : durationOrOff(sync);
  return { syncMs, attributesMs: durationOrOff(attributes) };
}

function durationOrOff(text: string): number | null {
  return text === "off" ? null : (parseDuration(text) ?? null);
}

function resolveListen(listen: ConfigDocument["listen"], directory: string): Listen {
  const { host, port, tokens, tls } = listen;
  if (tls === undefined) return { host, port, tokens };
  return { host, port, tokens, tls: { certFile: resolve(directory, tls.certFile), keyFile: resolve(directory, tls.keyFile) } };
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFrozen(item);
  return value;
}
