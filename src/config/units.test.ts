import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { nearest } from "./nearest.ts";
import { redactUrl } from "./secret.ts";
import { formatDuration, parseDuration, parseRate, parseSize } from "./units.ts";

it("reads durations, sizes and rates", () => {
  assert.deepEqual(
    ["500ms", "30s", "10m", "24h", "7d", "1.5h"].map(parseDuration),
    [500, 30_000, 600_000, 86_400_000, 604_800_000, 5_400_000],
  );
  assert.deepEqual(["4096", "64MiB", "1GB", "1TiB", "1.5KiB", "1 kb"].map(parseSize), [4096, 2 ** 26, 1e9, 2 ** 40, 1536, 1000]);
  assert.equal(parseRate("500MiB/s"), 500 * 2 ** 20);
});

it("reads nothing else", () => {
  for (const text of ["", "1", "-1s", "1 s", "s", "1w", "1e3s"]) assert.equal(parseDuration(text), undefined, text);
  for (const text of ["", "MiB", "-1MB", "1XB", "1e3", "999999999TiB"]) assert.equal(parseSize(text), undefined, text);
  for (const text of ["500MiB", "500MiB/m", "/s"]) assert.equal(parseRate(text), undefined, text);
});

it("prints durations that read as the same", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e10 }), (ms) => parseDuration(formatDuration(ms)) === ms));
  assert.equal(formatDuration(86_400_000), "24h");
});

it("guesses what was meant, and nothing far off", () => {
  assert.equal(nearest("destinatons", ["id", "destinations"]), "destinations");
  assert.equal(nearest("fitler", ["filter"]), "filter");
  assert.equal(nearest("banana", ["filter", "id"]), undefined);
});

it("redacts passwords in URLs and leaves the rest", () => {
  assert.equal(redactUrl("postgres://u:p@h:5/d?sslmode=x"), "postgres://u:[redacted]@h:5/d?sslmode=x");
  assert.equal(redactUrl("https://h/x?token=abc&y=1"), "https://h/x?token=[redacted]&y=1");
  assert.equal(redactUrl("sqlite:./a@b.db"), "sqlite:./a@b.db");
});
