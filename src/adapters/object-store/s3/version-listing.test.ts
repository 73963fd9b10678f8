import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inOrder, parseVersions } from "./version-listing.ts";

type Entry = readonly [kind: "Version" | "DeleteMarker", key: string, id: string, latest: boolean, second: number];

const at = (second: number) => `2026-01-01T00:00:0${second}.500Z`;

function page(...entries: readonly Entry[]): string {
  const xml = entries.map(
    ([kind, key, id, latest, second]) =>
      `<${kind}><Key>${key}</Key><VersionId>${id}</VersionId><IsLatest>${latest}</IsLatest><LastModified>${at(second)}</LastModified></${kind}>`,
  );
  return `<ListVersionsResult><IsTruncated>false</IsTruncated>${xml.join("")}</ListVersionsResult>`;
}

const order = (...entries: readonly Entry[]) =>
  inOrder(parseVersions(page(...entries)).versions).map(({ key, versionId }) => `${key}${versionId}`);

describe("a page of versions", () => {
  it("keeps S3's own order, which is not one of times", () => {
    const entries: Entry[] = [
      ["Version", "a", "3", true, 1],
      ["DeleteMarker", "a", "2", false, 5],
      ["Version", "a", "1", false, 3],
    ];
    assert.deepEqual(order(...entries), ["a3", "a2", "a1"]);
  });

  it("is put in order where markers and objects are written apart", () => {
    const versions: Entry[] = [
      ["Version", "a", "6", false, 6],
      ["Version", "a", "4", false, 4],
      ["Version", "b", "8", true, 2],
    ];
    const markers: Entry[] = [
      ["DeleteMarker", "a", "7", true, 6],
      ["DeleteMarker", "a", "5", false, 5],
      ["DeleteMarker", "b", "1", false, 2],
    ];
    for (const entries of [
      [...versions, ...markers],
      [...markers, ...versions],
    ])
      assert.deepEqual(order(...entries), ["a7", "a6", "a5", "a4", "b8", "b1"]);
  });

  it("tells whole seconds, and no class where it is the standard one", () => {
    const [version] = parseVersions(page(["Version", "a", "1", true, 1])).versions;
    assert.deepEqual([version?.lastModified, version?.storageClass], [Date.parse("2026-01-01T00:00:01Z"), undefined]);
  });

  it("is refused where it is cut short, no listing, or does not say where to go on", () => {
    const bodies = [
      page().slice(0, -1),
      "<html></html>",
      page().replace("false", "true"),
      page().replace("false", "true").replace("</List", "<NextKeyMarker></NextKeyMarker></List"),
    ];
    for (const body of bodies) assert.throws(() => parseVersions(body), { code: "MalformedResponse" });
  });
});
