import assert from "node:assert/strict";
import { expectExit, startDaemon } from "../replicast.ts";
import { configure, settle, type World } from "../world.ts";
import type { Scenario } from "./scenario.ts";

/** The document of `doctor --json`, as far as these scenarios read it. */
export interface DoctorDocument {
  readonly healthy: boolean;
  readonly buckets: readonly { readonly bucket: string; readonly survey: { readonly honours: object | null } | null }[];
  readonly findings: readonly {
    readonly level: string;
    readonly code: string;
    readonly bucket: string | null;
    readonly hint: string | null;
  }[];
}

export type Found = readonly (readonly [level: string, code: string, bucket: string | null])[];

/** Everything that is not well, in the order of its text. */
export function troubles({ findings }: DoctorDocument): Found {
  const bad = findings.filter(({ level }) => level !== "ok").map(({ level, code, bucket }) => [level, code, bucket] as const);
  return bad.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Fails where a doctor left a key, a version or a marker behind. */
export async function assertNothingLeft(world: World, buckets: Readonly<Record<"a" | "b", readonly string[]>>): Promise<void> {
  for (const name of ["a", "b"] as const) {
    for (const bucket of buckets[name]) {
      assert.deepEqual(await world[name].client.list(bucket), [], `${name}:${bucket} has objects`);
      assert.deepEqual(await world[name].client.versions(bucket), [], `${name}:${bucket} has versions`);
    }
  }
}

export async function ask(world: World, code: 0 | 1, ...options: readonly string[]): Promise<DoctorDocument> {
  const { stdout } = await expectExit(code, world, ["doctor", ...options, "--json"]);
  return JSON.parse(stdout) as DoctorDocument;
}

export interface DoctorScenarioOptions {
  /** What the destination store cannot do, said of each of its buckets. */
  readonly limits: readonly string[];
  /** The same of the source store's own destination bucket. */
  readonly nearLimits: readonly string[];
}

/** What a doctor says of the default rule, whose buckets it leaves as they were. */
export function doctorScenarios({ limits, nearLimits }: DoctorScenarioOptions): readonly Scenario[] {
  return [
    {
      title: "every bucket is tried and left as it was",
      run: async (world) => {
        await settle(world);
        const report = await ask(world, 0);
        assert.equal(report.healthy, true);
        assert.deepEqual(report.buckets.map(({ bucket }) => bucket).sort(), ["a:near", "a:photos", "b:archive", "b:far"]);
        const warnings = (codes: readonly string[], buckets: readonly string[]) =>
          codes.flatMap((code) => buckets.map((bucket) => ({ level: "warning", code, bucket, hint: null })));
        const findings = [...warnings(nearLimits, ["a:near"]), ...warnings(limits, ["b:archive", "b:far"])];
        assert.deepEqual(troubles(report), troubles({ ...report, findings }));
        await assertNothingLeft(world, { a: ["photos", "near"], b: ["far", "archive"] });
      },
    },
    {
      title: "the way of the events is proven with and without a daemon",
      run: async (world) => {
        await settle(world);
        for (const isRunning of [false, true]) {
          await using _daemon = isRunning ? await startDaemon(world, world.port) : undefined;
          const { findings } = await ask(world, 0, "--events");
          assert.deepEqual(
            findings.filter(({ code }) => code.includes("Event")).map(({ code, bucket }) => [code, bucket]),
            [["EventArrived", "a:photos"]],
          );
        }
        assert.deepEqual(await world.a.client.list("photos"), []);
      },
    },
    {
      title: "what a bucket cannot hold is said before anything runs",
      run: async (world) => {
        await settle(world);
        const rules = [
          { id: "marks", source: "a:photos", destinations: [{ bucket: "b:archive", prefix: "y/" }, "b:far"], deletes: "markers" },
          { id: "history", source: "a:photos", destinations: [{ bucket: "b:archive", prefix: "x/" }], versions: "all" },
          { id: "gone", source: "a:nobody-made-this", destinations: ["a:near"] },
        ];
        await configure(world, { rules });
        const report = await ask(world, 1);
        assert.equal(report.healthy, false);
        assert.deepEqual(
          troubles(report).filter(([level, code]) => level === "error" || code === "NoMarkers"),
          [
            ["error", "MarkersNeedVersioning", "b:archive"],
            ["error", "NoSuchBucket", "a:nobody-made-this"],
            ["error", "VersionsNeedVersioning", "b:archive"],
            ["warning", "NoMarkers", "a:photos"],
          ],
        );
        for (const { level, hint } of report.findings) if (level === "error") assert.ok(hint);
      },
    },
  ];
}
