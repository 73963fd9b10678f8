import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bucket } from "../../domain/bucket.ts";
import { PLAIN_COPY, type Rule } from "../../domain/rule.ts";
import { createPrometheusMeter, type PrometheusMeterOptions, type StateGauges } from "./prometheus.ts";

const NOW = 1_800_000_000_000;
const bucket: Bucket = { id: "s3://a.test/photos", name: "a:photos", store: "a", bucket: "photos" };
const RULE: Rule = {
  ...PLAIN_COPY,
  id: "photos",
  source: bucket,
  destinations: [
    { id: "b:copy", canonicalId: "s3://b.test/copy", bucket, prefix: "", existingObjects: true },
    { id: "eu", canonicalId: "s3://aws/eu-west-1/copy", bucket, prefix: "", existingObjects: true },
  ],
  filter: {},
  preserve: { tags: true, storageClass: true, acl: false, objectLock: true, encryption: true },
  enabled: true,
};
const route = { rule: "photos", source: bucket.id, destination: "s3://b.test/copy" };
const GAUGES: StateGauges = {
  pending: [{ route, operations: 3, bytes: 300, oldestAt: NOW - 90_000 }],
  summaries: [{ route, completed: { operations: 9, bytes: 9 }, failed: 2, held: 1, latencyMs: null }],
};

const meterWith = (options: Partial<PrometheusMeterOptions> = {}) =>
  createPrometheusMeter({ rules: [RULE], gauges: async () => GAUGES, now: () => NOW, ...options });

async function samples(meter: { scrape(): Promise<string> }): Promise<ReadonlyMap<string, string>> {
  const lines = (await meter.scrape()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

const B = '{rule="photos",destination="b:copy"}';
const EU = '{rule="photos",destination="eu"}';

describe("the Prometheus meter", () => {
  it("exports every metric by its documented name and labels", async () => {
    const meter = meterWith();
    meter.completed("photos", "b:copy", { bytes: 4096, latencyMs: 12 });
    meter.completed("photos", "b:copy", { bytes: 1, latencyMs: null });
    meter.failed("photos", "b:copy");
    meter.request("a", "GetObject", 200);
    meter.request("a", "GetObject", 0);
    meter.storeUp("a", true);
    meter.storeUp("b", false);
    meter.verified("photos", "b:copy", NOW);
    meter.drift("photos", "b:copy", { MISSING: 2, DIFFERENT: 0 });
    const found = await samples(meter);
    const expected = {
      [`replicast_operations_completed_total${B}`]: "2",
      [`replicast_bytes_completed_total${B}`]: "4097",
      [`replicast_operations_failed_total${B}`]: "1",
      [`replicast_replication_latency_seconds_count${B}`]: "1",
      [`replicast_replication_latency_seconds_sum${B}`]: "0.012",
      [`replicast_operations_pending${B}`]: "3",
      [`replicast_bytes_pending${B}`]: "300",
      [`replicast_oldest_pending_age_seconds${B}`]: "90",
      [`replicast_dead_letters${B}`]: "2",
      [`replicast_deletes_held${B}`]: "1",
      'replicast_drift_objects{rule="photos",destination="b:copy",kind="MISSING"}': "2",
      'replicast_drift_objects{rule="photos",destination="b:copy",kind="DIFFERENT"}': "0",
      [`replicast_last_verify_success_timestamp_seconds${B}`]: String(NOW / 1000),
      'replicast_store_requests_total{store="a",operation="GetObject",status="200"}': "1",
      'replicast_store_requests_total{store="a",operation="GetObject",status="0"}': "1",
      'replicast_store_up{store="a"}': "1",
      'replicast_store_up{store="b"}': "0",
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(found.get(name), value, name);
  });

  it("has latency buckets from 5 ms to 1 h, 900 s among them", async () => {
    const meter = meterWith();
    meter.completed("photos", "b:copy", { bytes: 1, latencyMs: 900_000 });
    meter.completed("photos", "b:copy", { bytes: 1, latencyMs: -5 });
    const found = await samples(meter);
    const upTo = (le: string) => found.get(`replicast_replication_latency_seconds_bucket{le="${le}",rule="photos",destination="b:copy"}`);
    assert.deepEqual([upTo("0.005"), upTo("600"), upTo("900"), upTo("3600"), upTo("+Inf")], ["1", "1", "2", "2", "2"]);
  });

  it("shows every destination of the rules with 0 from the first scrape on", async () => {
    const found = await samples(meterWith());
    const counters = [
      "operations_completed_total",
      "operations_failed_total",
      "bytes_completed_total",
      "replication_latency_seconds_count",
    ];
    const gauges = ["operations_pending", "bytes_pending", "oldest_pending_age_seconds", "dead_letters", "deletes_held"];
    for (const name of [...counters, ...gauges]) assert.equal(found.get(`replicast_${name}${EU}`), "0", name);
  });

  it("labels a destination by its id, however it was named", async () => {
    const meter = meterWith();
    meter.failed("photos", "s3://aws/eu-west-1/copy");
    meter.failed("photos", "eu");
    assert.equal((await samples(meter)).get(`replicast_operations_failed_total${EU}`), "2");
  });

  it("reads the state at each scrape, and leaves nothing of the last one behind", async () => {
    const gone = { ...route, rule: "removed" };
    const readings: StateGauges[] = [
      { ...GAUGES, pending: [{ route: gone, operations: 1, bytes: 1, oldestAt: null }] },
      { pending: [], summaries: [] },
    ];
    const meter = meterWith({ gauges: async () => readings.shift() ?? GAUGES });
    const name = 'replicast_operations_pending{rule="removed",destination="s3://b.test/copy"}';
    assert.equal((await samples(meter)).get(name), "1");
    const second = await samples(meter);
    assert.equal(second.get(name), undefined);
    assert.equal(second.get(`replicast_operations_pending${B}`), "0");
  });

  it("leaves out what cannot be read, and gives the rest", async () => {
    let away = false;
    const gauges = async () => {
      if (away) throw new Error("disk full");
      return GAUGES;
    };
    const meter = meterWith({ gauges });
    assert.equal((await samples(meter)).get(`replicast_operations_pending${B}`), "3");
    away = true;
    const found = await samples(meter);
    assert.equal(found.get(`replicast_operations_pending${B}`), undefined);
    assert.equal(found.get(`replicast_operations_failed_total${B}`), "0");
  });

  it("leaves the shared state out where it is another process's to export", async () => {
    assert.ok(!(await meterWith({ gauges: undefined }).scrape()).includes("replicast_operations_pending"));
  });

  it("keeps two meters of one process apart", async () => {
    const [one, other] = [meterWith(), meterWith()];
    one.failed("photos", "eu");
    assert.equal((await samples(other)).get(`replicast_operations_failed_total${EU}`), "0");
  });
});
