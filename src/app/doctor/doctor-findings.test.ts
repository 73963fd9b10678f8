import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadConfig } from "../../config/load.ts";
import type { ResolvedConfig } from "../../config/resolved-config.ts";
import type { BucketSurvey } from "../../domain/fingerprint.ts";
import { bucketFindings, type Finding, rolesOf, ruleFindings } from "./doctor-findings.ts";

const ALL = { conditionalPut: true, conditionalCopy: true, conditionalComplete: true, conditionalDelete: true };
const GRANTED = {
  list: "granted",
  listVersions: "granted",
  get: "granted",
  put: "granted",
  delete: "granted",
  deleteVersion: "granted",
  readTags: "granted",
  writeTags: "granted",
  readAcl: "granted",
} as const;
const PERFECT: BucketSurvey = {
  server: "",
  region: null,
  clockSkewMs: 0,
  versioning: "Enabled",
  objectLock: false,
  rights: GRANTED,
  honours: ALL,
  traits: { listsInOrder: true, keyEncoding: "url", refusedKeys: [], holdsKeyAndBelow: true, checksums: true, tags: true, acl: true },
  left: null,
};

const STORE = { endpoint: "http://127.0.0.1:1", credentials: { accessKeyId: "k", secretAccessKey: "s" } };
const MESH = { id: "team", mesh: ["a:team", "b:team"], deletes: "propagate" };
const COPY = { id: "copy", source: "a:photos", destinations: ["b:copy"] };

function configOf(...rules: readonly object[]): ResolvedConfig {
  const cwd = mkdtempSync(join(tmpdir(), "replicast-doctor-"));
  try {
    const stores = { a: STORE, b: { ...STORE, endpoint: "http://127.0.0.1:2" } };
    writeFileSync(join(cwd, "replicast.yaml"), JSON.stringify({ version: 1, name: "acme", stores, rules }));
    return loadConfig({ configPath: undefined, env: {}, cwd });
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** What is said of a config whose buckets are all perfect but the one named, in short. */
function said(config: ResolvedConfig, name: string, flaws: Partial<BucketSurvey>): readonly string[] {
  const places = Object.values(config.buckets);
  const surveys = new Map(places.map(({ bucket }) => [bucket.id, bucket.name === name ? { ...PERFECT, ...flaws } : PERFECT]));
  const ofBuckets = places.flatMap((place) => bucketFindings(place, surveys.get(place.bucket.id) ?? PERFECT, rolesOf(config, place)));
  return [...ofBuckets, ...ruleFindings(config, surveys)].filter(({ level }) => level !== "ok").map(toText);
}

function toText({ level, code, bucket }: Finding): string {
  return `${level} ${code} ${bucket}`;
}

const NOTHING = { conditionalPut: false, conditionalCopy: false, conditionalComplete: false, conditionalDelete: false };
const PLAIN = { versioning: "Unversioned" } as const;

describe("what a doctor finds", () => {
  const cases: readonly (readonly [title: string, rules: readonly object[], flaws: Partial<BucketSurvey>, expected: readonly string[]])[] =
    [
      ["nothing of what is perfect", [MESH, COPY], {}, []],
      [
        "deletes that nothing makes safe",
        [MESH],
        { ...PLAIN, honours: { ...ALL, conditionalDelete: false } },
        ["error UnsafeDeletes b:team"],
      ],
      ["nothing where conditions make deletes safe", [MESH], PLAIN, []],
      [
        "nothing where a person took the risk",
        [{ ...MESH, unsafe: ["unconditional-deletes"] }],
        { ...PLAIN, honours: { ...ALL, conditionalDelete: false } },
        [],
      ],
      ["updates that may be lost in an interior bucket", [MESH], { honours: NOTHING }, ["warning LostUpdatesPossible b:team"]],
      ["no such thing in a leaf", [COPY], { honours: NOTHING }, []],
      ["versioning that is suspended", [COPY], { versioning: "Suspended" }, ["warning VersioningSuspended b:copy"]],
      ["markers where there can be none", [{ ...COPY, deletes: "markers" }], PLAIN, ["error MarkersNeedVersioning b:copy"]],
      ["histories where there can be none", [{ ...COPY, versions: "all" }], PLAIN, ["error VersionsNeedVersioning b:copy"]],
      ["a clock that is a little off", [COPY], { clockSkewMs: -6_000 }, ["warning ClockSkew b:copy"]],
      ["nothing in a clock that is off by less than matters", [MESH], { clockSkewMs: 4_900 }, []],
      ["a clock that is far off", [COPY], { clockSkewMs: 16 * 60_000 }, ["error ClockSkew b:copy"]],
      ["a listing without order", [COPY], { traits: { ...PERFECT.traits, listsInOrder: false } }, ["error ListOrder b:copy"]],
      ["no tags where they are to be kept", [COPY], { traits: { ...PERFECT.traits, tags: false } }, ["warning NoTags b:copy"]],
      [
        "rights that are missing at a destination",
        [COPY],
        { rights: { ...GRANTED, put: "denied", get: "denied" } },
        ["error Denied:put b:copy"],
      ],
      ["a bucket that must not be written to", [COPY], { objectLock: true, honours: null }, ["warning NotProbed b:copy"]],
      ["what was left behind", [COPY], { left: "x" }, ["warning ProbeLeft b:copy"]],
    ];
  for (const [title, rules, flaws, expected] of cases) {
    it(title, () => {
      const name = rules.includes(COPY) || rules.some((rule) => "source" in rule) ? "b:copy" : "b:team";
      assert.deepEqual(said(configOf(...rules), name, flaws), expected);
    });
  }

  it("rights that are missing at a source: tags too, since objects would fail for them", () => {
    const flaws = { rights: { ...GRANTED, get: "denied", readTags: "denied", put: "denied", delete: "denied" } } as const;
    assert.deepEqual(said(configOf(COPY), "a:photos", flaws), ["error Denied:get a:photos", "error Denied:readTags a:photos"]);
  });
});
