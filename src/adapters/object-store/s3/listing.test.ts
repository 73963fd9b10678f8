import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isReplicationError } from "../../../domain/error.ts";
import type { ListedObject } from "../../../domain/object.ts";
import { ambiguousKeys, decodeListedKey, parseListing, provenEncoding } from "./listing.ts";
import { encodeXml } from "./xml.ts";

interface Style {
  readonly url: boolean;
  readonly plus: boolean;
  readonly storageClass: boolean;
  readonly owner: boolean;
  readonly newline: string;
  readonly numeric: boolean;
}

const PLAIN: Style = { url: false, plus: false, storageClass: true, owner: false, newline: "", numeric: false };

/** Writes a listing as servers do. */
function toXml(objects: readonly ListedObject[], style: Style, token?: string): string {
  const lines = objects.flatMap((object) => contents(object, style));
  const more = token === undefined ? "" : `<NextContinuationToken>${encodeXml(token)}</NextContinuationToken>`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>b</Name><Prefix></Prefix><KeyCount>${objects.length}</KeyCount><IsTruncated>${token !== undefined}</IsTruncated>${more}`,
    ...lines,
    "</ListBucketResult>",
  ].join(style.newline);
}

function contents({ key, etag, sizeBytes, lastModified, storageClass = "STANDARD" }: ListedObject, style: Style): string[] {
  return [
    "<Contents>",
    `<Key>${style.numeric ? numericXml(written(key, style)) : encodeXml(written(key, style))}</Key>`,
    `<LastModified>${new Date(lastModified + 460).toISOString()}</LastModified>`,
    style.numeric ? `<ETag>&#34;${etag}&#x22;</ETag>` : `<ETag>&quot;${etag}&quot;</ETag>`,
    `<Size>${sizeBytes}</Size>`,
    ...(style.owner ? ["<Owner><ID>x</ID><DisplayName>y</DisplayName></Owner>"] : []),
    ...(style.storageClass || storageClass !== "STANDARD" ? [`<StorageClass>${storageClass}</StorageClass>`] : []),
    "</Contents>",
  ];
}

function written(key: string, { url, plus }: Style): string {
  if (!url) return key;
  const encoded = key.split("/").map(encodeURIComponent).join("/");
  return plus ? encoded.replaceAll("%20", "+") : encoded;
}

function numericXml(text: string): string {
  return [...text].map((c) => (/[A-Za-z0-9/%+]/.test(c) ? c : `&#x${c.codePointAt(0)?.toString(16)};`)).join("");
}

const anyKey = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1 }),
    fc.string({ unit: "binary", minLength: 1 }),
    fc.constantFrom("a&amp;b", "<Key>", "]]>", "\r\n", "%41", "a+b"),
  )
  .map((key) => key.toWellFormed());
const anyObject = fc.record(
  {
    key: anyKey,
    etag: fc.stringMatching(/^[0-9a-f]{32}(-[0-9]{1,4})?$/),
    sizeBytes: fc.maxSafeNat(),
    lastModified: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
    storageClass: fc.option(fc.constantFrom("GLACIER", "STANDARD_IA"), { nil: undefined }),
  },
  { noNullPrototype: true },
);
const anyStyle = fc.record({
  url: fc.boolean(),
  plus: fc.boolean(),
  storageClass: fc.boolean(),
  owner: fc.boolean(),
  newline: fc.constantFrom("", "\n", "\r\n"),
  numeric: fc.boolean(),
});

describe("parseListing", () => {
  it("reads what servers write, in all their ways", () => {
    fc.assert(
      fc.property(
        fc.array(anyObject, { maxLength: 6 }),
        anyStyle,
        fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
        (objects, style, token) => {
          const page = parseListing(toXml(objects, style, token));
          const read = page.objects.map((object) => ({ ...object, key: style.url ? decodeListedKey(object.key) : object.key }));
          assert.deepEqual(read, objects);
          assert.equal(page.nextContinuationToken, token);
        },
      ),
    );
  });

  it("reads times that are written otherwise, to the second", () => {
    for (const time of [
      "2026-11-21T00:45:03Z",
      "2026-11-21T00:45:03.460Z",
      "2026-11-21T00:45:03.460123456Z",
      "2026-11-21T01:45:03+01:00",
    ]) {
      const xml = toXml([], PLAIN).replace("</List", `<Contents><Key>k</Key><LastModified>${time}</LastModified></Contents></List`);
      assert.equal(parseListing(xml).objects[0]?.lastModified, Date.UTC(2026, 10, 21, 0, 45, 3), time);
    }
  });

  const refused: Readonly<Record<string, string>> = {
    "a listing that says that there is more, and not where": toXml([], PLAIN, "x").replace(/<NextC.*Token>/, ""),
    "a listing that is cut short": toXml([{ key: "a", etag: "e", sizeBytes: 1, lastModified: 0 }], PLAIN).slice(0, -25),
    "a page of another kind": "<html><body>It works!</body></html>",
    nothing: "",
  };
  for (const [what, xml] of Object.entries(refused)) {
    it(`never takes ${what} for an end`, () => {
      assert.throws(
        () => parseListing(xml),
        (error) => isReplicationError(error) && error.code === "MalformedResponse",
      );
    });
  }
});

const listed = (...keys: readonly string[]) => keys.map((key) => ({ key, etag: "", sizeBytes: 0, lastModified: 0 }));

describe("provenEncoding", () => {
  it("is raw where a character stands that encoding would have replaced, or an escape that is none", () => {
    for (const key of ["a b", "\u00fc", "a%", "100%zz", '"']) assert.equal(provenEncoding(listed("plain", key)), "raw", key);
  });

  it("is not known where every key could be both", () =>
    assert.equal(provenEncoding(listed("plain", "a%20b", "a+b", "x/!'()*~")), undefined));

  it("never calls encoded keys raw", () => {
    fc.assert(
      fc.property(fc.array(anyKey), fc.boolean(), (keys, plus) => {
        assert.equal(provenEncoding(listed(...keys.map((key) => written(key, { ...PLAIN, url: true, plus })))), undefined);
      }),
    );
  });
});

describe("ambiguousKeys", () => {
  it("finds those that read differently under the two encodings", () => {
    assert.deepEqual(ambiguousKeys(listed("a", "b+", "c%20", "d/e.f")), ["b+", "c%20"]);
  });
});

describe("decodeListedKey", () => {
  for (const [sent, key] of Object.entries({ "a+b": "a b", "a%20b": "a b", "a%2Bb": "a+b", "%E4": "%E4", plain: "plain" })) {
    it(`reads ${sent} as "${key}"`, () => assert.equal(decodeListedKey(sent), key));
  }
});
