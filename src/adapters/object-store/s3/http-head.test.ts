import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isReplicationError } from "../../../domain/error.ts";
import { HttpBodyReader, HttpHeadReader, parseHttpHead } from "./http-head.ts";

const isMalformed = (error: unknown): boolean => isReplicationError(error) && error.code === "MalformedResponse";

describe("parseHttpHead", () => {
  it("lower-cases names, joins repeated ones and keeps latin1 values", () => {
    const { head } = parseHttpHead('HTTP/1.1 200 OK\r\nETag:  "a" \r\nX-Amz-Meta-A: \u00e9\r\nx-amz-meta-a: 2\r\n__proto__: 1');
    assert.equal(head.statusCode, 200);
    assert.deepEqual(Object.entries(head.headers), [
      ["etag", '"a"'],
      ["x-amz-meta-a", "\u00e9, 2"],
      ["__proto__", "1"],
    ]);
  });

  it("tells how the body is delimited", () => {
    const framing = (lines: string): unknown => Object.values(parseHttpHead(`HTTP/1.1 ${lines}`).framing);
    assert.deepEqual(framing("200 OK\r\nContent-Length: 5"), ["length", 5, true]);
    assert.deepEqual(framing("200\r\nContent-Length: 5\r\nContent-Length: 5\r\nConnection: Close"), ["length", 5, false]);
    assert.deepEqual(framing("500 X\r\nTransfer-Encoding: Chunked"), ["chunked", 0, true]);
    assert.deepEqual(framing("500 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"), ["chunked", 0, false]);
    assert.deepEqual(framing("200 OK"), ["until-close", 0, false]);
    assert.deepEqual(framing("204 No Content"), ["none", 0, true]);
    assert.equal(parseHttpHead("HTTP/1.0 200 OK\r\nContent-Length: 1").framing.keepAlive, false);
  });

  it("refuses what it cannot be sure about", () => {
    const bad = [
      "HTTP/2 200 OK",
      "HTTP/1.1 20 OK",
      "HTTP/1.1 200 OK\r\nbroken",
      "HTTP/1.1 200 OK\r\nA: 1\r\n folded: 2",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 6",
      "HTTP/1.1 200 OK\r\nContent-Length: -1",
      "HTTP/1.1 200 OK\r\nContent-Length: 0x5",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
    ];
    for (const text of bad) assert.throws(() => parseHttpHead(text), isMalformed, text);
  });
});

describe("HttpHeadReader and HttpBodyReader", () => {
  const whole = [
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nhello world",
  ];

  it("read the same however the bytes are cut, also when the buffer is overwritten after each", () => {
    fc.assert(
      fc.property(fc.constantFrom(...whole), fc.array(fc.integer({ min: 1, max: 40 })), (text, cuts) => {
        assert.equal(read(text, cuts), "hello world");
      }),
      { numRuns: 300 },
    );
  });

  it("notice bytes after the body", () => {
    const { framing } = parseHttpHead("HTTP/1.1 200 OK\r\nContent-Length: 2");
    const body = new HttpBodyReader(framing, 10);
    body.feed(Buffer.from("abc"));
    assert.deepEqual([body.done, body.reusable, body.body.toString()], [true, false, "ab"]);
  });

  it("are bounded", () => {
    assert.throws(() => new HttpHeadReader().feed(Buffer.alloc(70_000, 97)), isMalformed);
    const { framing } = parseHttpHead("HTTP/1.1 200 OK\r\nContent-Length: 20");
    assert.throws(() => new HttpBodyReader(framing, 10).feed(Buffer.alloc(11)), isMalformed);
    const chunked = parseHttpHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked").framing;
    for (const bad of ["xyz\r\n", "1\r\nab\r\n", `1;${"a".repeat(5000)}`]) {
      assert.throws(() => new HttpBodyReader(chunked, 10).feed(Buffer.from(bad)), isMalformed, bad);
    }
  });
});

function read(text: string, cuts: readonly number[]): string {
  const bytes = Buffer.from(text, "latin1");
  const head = new HttpHeadReader();
  let body: HttpBodyReader | undefined;
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const chunk = Buffer.from(bytes.subarray(at, at + (cuts[i] ?? 7)));
    at += chunk.length;
    const rest = body === undefined ? head.feed(chunk) : chunk;
    if (rest !== undefined && head.parsed !== undefined) {
      body ??= new HttpBodyReader(head.parsed.framing, 1000);
      body.feed(rest);
    }
    chunk.fill(0);
  }
  assert.equal(body?.end(), true);
  return body!.body.toString();
}
