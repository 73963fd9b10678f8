import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isReplicationError } from "../../domain/error.ts";
import type { BucketEvent } from "../../domain/event.ts";
import type { KeyEncoding } from "./key-readings.ts";
import { malformedMessage, parseMessage } from "./s3-notification.ts";

const AT = "2026-11-21T00:45:03.460Z";
const MS = Date.UTC(2026, 10, 21, 0, 45, 3, 460);
const MD5 = "5d41402abc4b2a76b9719d911017c592";

type Json = Record<string, unknown>;

function awsRecord(eventName: string, object: Json = {}): Json {
  return {
    eventVersion: "2.6",
    eventSource: "aws:s3",
    awsRegion: "eu-west-1",
    eventTime: AT,
    eventName,
    userIdentity: { principalId: "AWS:AROAEXAMPLE:session" },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "c",
      bucket: { name: "src", arn: "arn:aws:s3:::src" },
      object: { key: "dir/red+flower.jpg", size: 5, eTag: MD5, versionId: "v1", sequencer: "0055AED6DCD90281E5", ...object },
    },
  };
}

function minioBody(eventName: string, key: string, plain: string): Json {
  const record = awsRecord(eventName, { key, contentType: "text/x", userMetadata: { "X-Amz-Meta-M": "1" }, sequencer: "18E9E8CF4848EA11" });
  return {
    EventName: eventName,
    Key: `src/${plain}`,
    Records: [{ ...record, eventVersion: "2.0", eventSource: "minio:s3", awsRegion: "" }],
  };
}

function versitygwBody(eventName: string, object: Json): Json {
  const record = awsRecord(eventName, { eTag: `"${MD5}"`, versionId: null, sequencer: "1", ...object });
  const s3 = { ...(record.s3 as Json), configurationId: "webhook-global", bucket: { name: "src", arn: `arn:aws:s3:::/src/${object.key}` } };
  return { Records: [{ ...record, eventVersion: "2.2", s3 }] };
}

function motoBody(eventName: string, key: string): Json {
  const record = awsRecord(eventName, { key });
  const object = { key, size: 5, eTag: MD5 };
  return { Records: [{ ...record, eventVersion: "2.1", s3: { ...(record.s3 as Json), object } }] };
}

function eventBridge(detailType: string, object: Json, detail: Json = {}): Json {
  return {
    version: "0",
    id: "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": detailType,
    source: "aws.s3",
    account: "111122223333",
    time: "2026-11-21T00:45:03Z",
    region: "ca-central-1",
    resources: ["arn:aws:s3:::src"],
    detail: { version: "0", bucket: { name: "src" }, object, "request-id": "N4N7GDK58NMKJ12R", ...detail },
  };
}

const sns = (message: unknown): Json => ({
  Type: "Notification",
  MessageId: "m",
  TopicArn: "arn:aws:sns:eu-west-1:111122223333:t",
  Subject: "Amazon S3 Notification",
  Message: typeof message === "string" ? message : JSON.stringify(message),
  Timestamp: AT,
  SignatureVersion: "1",
});

const lambdaSqs = (...bodies: unknown[]): Json => ({
  Records: bodies.map((body) => ({
    messageId: "m",
    receiptHandle: "r",
    body: typeof body === "string" ? body : JSON.stringify(body),
    attributes: { ApproximateReceiveCount: "1" },
    messageAttributes: {},
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-west-1:111122223333:q",
  })),
});

const TEST_EVENT = { Service: "Amazon S3", Event: "s3:TestEvent", Time: AT, Bucket: "src", RequestId: "r", HostId: "h" };
const PUT = { Records: [awsRecord("ObjectCreated:Put")] };

const created = {
  kind: "created",
  bucket: "src",
  eventTime: MS,
  etag: MD5,
  sizeBytes: 5,
  versionId: "v1",
  sequencer: "0055AED6DCD90281E5",
} as const;
const PUT_EVENT = { ...created, keys: ["dir/red flower.jpg"], eventName: "ObjectCreated:Put" };

function withoutAbsent(event: BucketEvent): Json {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
}

function eventsOf(body: unknown, keyEncoding?: KeyEncoding): Json[] {
  const message = parseMessage(typeof body === "string" ? body : JSON.stringify(body), { keyEncoding });
  assert.deepEqual(message.malformed, []);
  assert.equal(message.ignored, 0);
  return message.events.map(withoutAbsent);
}

function onlyEvent(body: unknown, keyEncoding?: KeyEncoding): Json {
  const events = eventsOf(body, keyEncoding);
  assert.equal(events.length, 1);
  return events[0]!;
}

describe("parseMessage: envelopes", () => {
  const envelopes: Record<string, unknown> = {
    "S3 to a queue or webhook": PUT,
    "one bare record": PUT.Records[0],
    "S3 to SNS to a queue": sns(PUT),
    "S3 to SNS to Lambda": { Records: [{ EventSource: "aws:sns", EventVersion: "1.0", EventSubscriptionArn: "a", Sns: sns(PUT) }] },
    "a Lambda event of SQS": lambdaSqs(PUT),
    "SNS in a Lambda event of SQS": lambdaSqs(sns(PUT)),
    "SNS in SNS in SQS": lambdaSqs(sns(sns(PUT))),
    "EventBridge Pipes": [lambdaSqs(PUT).Records].flat(),
    "JSON in a JSON string": JSON.stringify(PUT),
  };
  for (const [name, body] of Object.entries(envelopes)) {
    it(`opens ${name}`, () => assert.deepEqual(eventsOf(JSON.stringify(body), "url"), [PUT_EVENT]));
  }

  it("takes text, bytes and what is parsed already", () => {
    const text = JSON.stringify(PUT);
    for (const body of [text, new TextEncoder().encode(text), Buffer.from(text), PUT]) {
      assert.deepEqual(parseMessage(body, { keyEncoding: "url" }).events.map(withoutAbsent), [PUT_EVENT]);
    }
  });

  it("takes all records of one message, each with its own bucket", () => {
    const second = awsRecord("ObjectCreated:Copy");
    (second.s3 as Json).bucket = { name: "other" };
    const events = eventsOf(lambdaSqs({ Records: [awsRecord("ObjectCreated:Put"), second] }, sns(PUT)));
    assert.deepEqual(
      events.map((event) => event.bucket),
      ["src", "other", "src"],
    );
  });

  for (const [name, body] of Object.entries({ direct: TEST_EVENT, "in SNS": sns(TEST_EVENT), "in SQS": lambdaSqs(TEST_EVENT) })) {
    it(`ignores the test event ${name}`, () => {
      assert.deepEqual(parseMessage(JSON.stringify(body)), { events: [], ignored: 1, malformed: [] });
    });
  }

  it("ignores the test event of versitygw", () => {
    const body = { Service: "S3", Event: "s3:TestEvent", Time: AT, Bucket: "Test-Bucket", RequestId: "", HostId: "" };
    assert.equal(parseMessage(body).ignored, 1);
  });
});

describe("parseMessage: stores", () => {
  it("reads MinIO's webhook body, sure of the key by the plain path beside the record", () => {
    const event = onlyEvent(minioBody("s3:ObjectCreated:Put", "dir%2Fa+b%2B%C3%BC%25.txt", "dir/a b+ü%.txt"));
    assert.deepEqual(event, { ...created, keys: ["dir/a b+ü%.txt"], eventName: "ObjectCreated:Put", sequencer: "18E9E8CF4848EA11" });
  });

  it("reads MinIO's stream, where the path is missing, both ways", () => {
    const { Records } = minioBody("s3:ObjectCreated:Put", "a%2Bb", "");
    assert.deepEqual(onlyEvent({ Records }).keys, ["a+b", "a%2Bb"]);
  });

  const meanings: readonly (readonly [string, BucketEvent["kind"]])[] = [
    ["s3:ObjectCreated:Copy", "created"],
    ["s3:ObjectCreated:CompleteMultipartUpload", "created"],
    ["s3:ObjectCreated:PutTagging", "attributes"],
    ["s3:ObjectCreated:DeleteTagging", "attributes"],
    ["s3:ObjectCreated:PutRetention", "attributes"],
    ["s3:ObjectCreated:PutLegalHold", "attributes"],
    ["s3:ObjectRemoved:Delete", "deleted"],
    ["s3:ObjectRemoved:DeleteMarkerCreated", "deleted"],
    ["s3:ObjectRemoved:DeleteObjects", "deleted"],
    ["ObjectCreated:Post", "created"],
    ["ObjectRemoved:Delete", "deleted"],
    ["LifecycleExpiration:Delete", "deleted"],
    ["LifecycleExpiration:DeleteMarkerCreated", "deleted"],
    ["ObjectTagging:Put", "attributes"],
    ["ObjectTagging:Delete", "attributes"],
    ["ObjectAcl:Put", "attributes"],
    ["ObjectRestore:Completed", "restored"],
    ["ObjectSynced:Create", "created"],
    ["ObjectLifecycle:Expiration:Current", "deleted"],
  ];
  for (const [name, kind] of meanings) {
    it(`takes ${name} for ${kind}`, () => {
      const event = onlyEvent({ Records: [awsRecord(name)] });
      assert.equal(event.kind, kind);
      assert.equal(event.eventName, name.replace("s3:", ""));
    });
  }

  const ignored = [
    "ObjectRestore:Post",
    "ObjectRestore:Delete",
    "Replication:OperationFailedReplication", // of a store that names no rule
    "s3:Replication:OperationCompletedReplication",
    "ReducedRedundancyLostObject",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAnnotation:Put",
    "s3:ObjectAccessed:Get",
    "s3:BucketCreated:*",
    "ObjectLifecycle:Expiration:AbortMultipartUpload",
  ];
  for (const name of ignored) {
    it(`ignores ${name}`, () => {
      assert.deepEqual(parseMessage({ Records: [awsRecord(name)] }), { events: [], ignored: 1, malformed: [] });
    });
  }

  it("reads versitygw's record: raw key first, no quotes, no version", () => {
    const event = onlyEvent(versitygwBody("s3:ObjectCreated:Put", { key: "a+b%20c" }));
    const { versionId: _none, ...rest } = created;
    assert.deepEqual(event, { ...rest, keys: ["a+b%20c", "a b c"], eventName: "ObjectCreated:Put", sequencer: "1" });
  });

  it("is not told the size by versitygw where it copied or assembled", () => {
    for (const name of ["s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"]) {
      assert.equal(onlyEvent(versitygwBody(name, { key: "k", size: 0 })).sizeBytes, undefined);
      assert.equal(onlyEvent({ Records: [awsRecord(name, { size: 7 })] }).sizeBytes, 7);
    }
    assert.equal(onlyEvent({ Records: [awsRecord("ObjectCreated:Put", { size: 0 })] }).sizeBytes, 0);
  });

  it("reads moto's record, which has neither version nor sequencer", () => {
    const event = onlyEvent(motoBody("ObjectTagging:Put", "dir%2Fa+b%2B%C3%BC%25.txt"));
    const keys = ["dir/a b+ü%.txt", "dir%2Fa+b%2B%C3%BC%25.txt"];
    assert.deepEqual(event, {
      kind: "attributes",
      bucket: "src",
      keys,
      eventName: "ObjectTagging:Put",
      eventTime: MS,
      etag: MD5,
      sizeBytes: 5,
    });
  });

  it("reads LocalStack's quoting, a slash as it is and a space as %20", () => {
    assert.equal((onlyEvent({ Records: [awsRecord("ObjectCreated:Put", { key: "dir/a%20b%2B" })] }).keys as string[])[0], "dir/a b+");
  });

  it("reads a marker: its version, but no ETag and no size of an object", () => {
    const event = onlyEvent({
      Records: [awsRecord("ObjectRemoved:DeleteMarkerCreated", { key: "k", eTag: "d41d8cd98f00b204e9800998ecf8427e" })],
    });
    const { etag: _etag, sizeBytes: _size, ...rest } = created;
    assert.deepEqual(event, { ...rest, kind: "deleted", keys: ["k"], eventName: "ObjectRemoved:DeleteMarkerCreated" });
  });

  it("takes times without a zone for UTC, and what is no time for unknown", () => {
    const timeOf = (eventTime: unknown) => onlyEvent({ Records: [{ ...awsRecord("ObjectCreated:Put"), eventTime }] }).eventTime;
    assert.equal(timeOf("2026-11-21T00:45:03.460"), MS);
    assert.equal(timeOf("2026-11-21T01:45:03.460000000+01:00"), MS);
    for (const nonsense of ["yesterday", "2026", "2026-99-99T00:00:00Z", 12, null, {}]) assert.equal(timeOf(nonsense), undefined);
  });

  it("accepts minor versions, the number 2.1 and none at all, no other major", () => {
    const parsed = (eventVersion: unknown) => parseMessage({ Records: [{ ...awsRecord("ObjectCreated:Put"), eventVersion }] });
    for (const version of ["2.0", "2.99", 2.1, undefined, null]) assert.equal(parsed(version).events.length, 1);
    for (const version of ["3.0", "1", "", {}, { toString: 1 }, true]) assert.equal(parsed(version).malformed.length, 1);
  });
});

describe("parseMessage: EventBridge", () => {
  const object = { key: "a+b%20c", size: 5, etag: MD5, "version-id": "v1", sequencer: "617f08299329d189" };
  const types: readonly (readonly [string, BucketEvent["kind"] | "ignored"])[] = [
    ["Object Created", "created"],
    ["Object Deleted", "deleted"],
    ["Object Tags Added", "attributes"],
    ["Object Tags Deleted", "attributes"],
    ["Object ACL Updated", "attributes"],
    ["Object Restore Initiated", "ignored"],
    ["Object Restore Completed", "restored"],
    ["Object Restore Expired", "ignored"],
    ["Object Storage Class Changed", "ignored"],
    ["Object Access Tier Changed", "ignored"],
  ];
  for (const [type, kind] of types) {
    it(`takes ${type} for ${kind}`, () => {
      const message = parseMessage(eventBridge(type, object));
      assert.deepEqual(message.malformed, []);
      assert.equal(message.ignored, kind === "ignored" ? 1 : 0);
      assert.equal(message.events[0]?.kind, kind === "ignored" ? undefined : kind);
    });
  }

  it("reads the event, also inside SQS and SNS, with the raw key first", () => {
    const body = eventBridge("Object Created", object, { reason: "PutObject" });
    const event = {
      ...created,
      keys: ["a+b%20c", "a b c"],
      eventName: "Object Created",
      eventTime: MS - 460,
      sequencer: "617f08299329d189",
    };
    for (const message of [body, lambdaSqs(body), sns(body), lambdaSqs(sns(body))]) assert.deepEqual(onlyEvent(message), event);
  });

  it("does not take what is known of the notifications' encoding for its own", () => {
    const body = eventBridge("Object Created", object);
    assert.deepEqual(onlyEvent(body, "url").keys, ["a+b%20c", "a b c"]);
    assert.deepEqual(onlyEvent(body, "raw").keys, ["a+b%20c"]);
  });

  it("reads moto's spelling of the ETag", () => {
    assert.equal(onlyEvent(eventBridge("Object Created", { key: "k", size: 1, eTag: MD5, "version-id": "null" })).etag, MD5);
  });

  it("sets aside other types, and what names no object", () => {
    for (const body of [eventBridge("EC2 Instance State-change", {}), eventBridge("Object Created", {}), { "detail-type": 3 }]) {
      assert.equal(parseMessage(body).malformed.length, 1);
    }
  });
});

describe("parseMessage: key readings", () => {
  const keysOf = (key: string, keyEncoding?: KeyEncoding, name = "ObjectCreated:Put") =>
    parseMessage({ Records: [awsRecord(name, { key })] }, { keyEncoding }).events[0]?.keys;

  it("gives one reading where both are the same or the encoding is known", () => {
    assert.deepEqual(keysOf("dir/plain.txt"), ["dir/plain.txt"]);
    assert.deepEqual(keysOf("a%2Bb", "url"), ["a+b"]);
    assert.deepEqual(keysOf("a%2Bb", "raw"), ["a%2Bb"]);
  });

  it("never decodes twice", () => {
    assert.deepEqual(keysOf("a%252Bb", "url"), ["a%2Bb"]);
    assert.deepEqual(keysOf("a%252Bb"), ["a%2Bb", "a%252Bb"]);
  });

  it("gives both readings of a delete where nothing is known, and leaves it to whoever deletes", () => {
    assert.deepEqual(keysOf("a+b", "unknown", "ObjectRemoved:Delete"), ["a b", "a+b"]);
    assert.deepEqual(keysOf("a+b", "url", "ObjectRemoved:Delete"), ["a b"]);
  });

  it("reads a key as raw first where it holds what no encoding leaves", () => {
    assert.deepEqual(keysOf("a b+c"), ["a b+c", "a b c"]);
    assert.deepEqual(keysOf("ü+c"), ["ü+c", "ü c"]);
  });

  it("takes a malformed escape for raw where nothing is known, and for malformed where it is", () => {
    for (const key of ["100%", "%zz", "%C3", "%FF%FE"]) {
      assert.deepEqual(keysOf(key), [key]);
      assert.equal(keysOf(key, "url"), undefined);
    }
  });

  it("drops readings that no key of S3 can be", () => {
    const long = encodeURIComponent("漢".repeat(341));
    assert.deepEqual(keysOf(long), ["漢".repeat(341)]);
    assert.equal(keysOf("k".repeat(1025)), undefined);
    assert.deepEqual(keysOf("k".repeat(1024)), ["k".repeat(1024)]);
    assert.equal(keysOf("\ud800"), undefined);
  });

  const key = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).filter((text) => text.isWellFormed());
  const formEncoded = (text: string) => encodeURIComponent(text).replaceAll("%20", "+");
  const encoders: Record<string, (key: string) => Json> = {
    "AWS (form-urlencoded, slash as it is)": (text) => ({
      Records: [awsRecord("ObjectCreated:Put", { key: formEncoded(text).replaceAll("%2F", "/") })],
    }),
    "LocalStack (percent-encoded, slash as it is)": (text) => ({
      Records: [awsRecord("ObjectCreated:Put", { key: encodeURIComponent(text).replaceAll("%2F", "/") })],
    }),
    "moto (form-urlencoded)": (text) => motoBody("ObjectCreated:Put", formEncoded(text)),
    "MinIO (form-urlencoded)": (text) => minioBody("s3:ObjectCreated:Put", formEncoded(text), text),
    "versitygw (raw)": (text) => versitygwBody("s3:ObjectCreated:Put", { key: text }),
    "EventBridge (raw)": (text) => eventBridge("Object Created", { key: text }),
  };
  for (const [store, encode] of Object.entries(encoders)) {
    it(`puts the right reading first for any key of ${store}`, () => {
      fc.assert(
        fc.property(key, (text) => {
          assert.equal(parseMessage(JSON.stringify(encode(text))).events[0]?.keys[0], text);
        }),
      );
    });
  }

  it("has the right reading of any key among the two, whatever the store does", () => {
    const encoders: readonly ((text: string) => string)[] = [(text) => text, formEncoded, encodeURIComponent];
    const anyEncoding = fc.constantFrom(...encoders);
    fc.assert(
      fc.property(key, anyEncoding, (text, encode) => {
        const keys: readonly string[] = keysOf(encode(text)) ?? [];
        assert.ok(keys.includes(text));
        assert.ok(keys.length <= 2);
      }),
    );
  });
});

describe("parseMessage: what nobody understands", () => {
  const documents: Record<string, unknown> = {
    null: null,
    "a number": 5,
    "an empty list": [],
    "an empty object": {},
    "no records": { Records: [] },
    "records that are none": { Records: [1] },
    "Records that is no list": { Records: "x" },
    "no event name": { Records: [{ ...awsRecord("x"), eventName: undefined }] },
    "an event name that is a number": { Records: [{ ...awsRecord("x"), eventName: 7 }] },
    "an unknown event name": { Records: [awsRecord("ObjectEaten:Whole")] },
    "a name of Object.prototype": { Records: [awsRecord("constructor")] },
    "no key": { Records: [awsRecord("ObjectCreated:Put", { key: undefined })] },
    "an empty key": { Records: [awsRecord("ObjectCreated:Put", { key: "" })] },
    "a key that is a number": { Records: [awsRecord("ObjectCreated:Put", { key: 5 })] },
    "no s3 part": { Records: [{ eventName: "ObjectCreated:Put" }] },
    "no bucket": { Records: [{ ...awsRecord("ObjectCreated:Put"), s3: { object: { key: "k" } } }] },
    "a subscription to confirm": { Type: "SubscriptionConfirmation", Token: "t", SubscribeURL: "https://sns.eu-west-1.amazonaws.com/" },
    "SNS without JSON": sns("hello"),
    "SQS without JSON": lambdaSqs("hello"),
    "a polluting name": JSON.parse('{"__proto__":{"Records":[{"s3":{}}]},"constructor":{"prototype":{"Records":1}}}'),
  };
  for (const [name, document] of Object.entries(documents)) {
    it(`sets aside ${name}`, () => {
      const message = parseMessage(JSON.stringify(document));
      assert.deepEqual(message.events, []);
      assert.equal(message.malformed.length, 1);
      assert.notEqual(message.malformed[0]?.reason, "");
    });
  }

  it("leaves the other records of the message alone", () => {
    const message = parseMessage({ Records: [awsRecord("ObjectCreated:Put"), { nonsense: true }, awsRecord("ObjectRestore:Post")] });
    assert.equal(message.events.length, 1);
    assert.equal(message.ignored, 1);
    assert.equal(message.malformed.length, 1);
  });

  it("takes optional fields of a wrong type for unknown", () => {
    const event = onlyEvent({ Records: [awsRecord("ObjectCreated:Put", { key: "k", size: "5", eTag: 1, versionId: {}, sequencer: [] })] });
    assert.deepEqual(event, { kind: "created", bucket: "src", keys: ["k"], eventName: "ObjectCreated:Put", eventTime: MS });
    for (const size of [-1, 1.5, 1e300])
      assert.equal(onlyEvent({ Records: [awsRecord("ObjectCreated:Put", { size })] }).sizeBytes, undefined);
  });

  it("keeps at most 4 KiB of a record, cut between characters", () => {
    const excerpt = parseMessage({ x: "ü€😀".repeat(4000) }).malformed[0]?.excerpt ?? "";
    assert.ok(Buffer.byteLength(excerpt) <= 4096);
    assert.ok(Buffer.byteLength(excerpt) > 4090);
    assert.ok(!excerpt.includes("\ufffd"));
  });

  it("keeps a bounded number of a message's nonsense", () => {
    const { malformed } = parseMessage({ Records: Array.from({ length: 5000 }, () => 1) });
    assert.equal(malformed.length, 21);
    assert.equal(malformed.at(-1)?.reason, "4980 more records of the same message");
  });

  it("stops at envelopes without end", () => {
    let body: unknown = PUT;
    for (let depth = 0; depth < 12; depth++) body = sns(body);
    assert.equal(parseMessage(body).malformed[0]?.reason, "too many envelopes in each other");
    assert.equal(parseMessage("[".repeat(100_000) + "]".repeat(100_000)).malformed.length, 1);
    assert.equal(parseMessage(`{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`).malformed.length, 1);
  });

  it("pollutes no prototype", () => {
    parseMessage('{"__proto__":{"polluted":1},"Records":[{"__proto__":{"polluted":1},"s3":{"__proto__":{"polluted":1}}}]}');
    assert.equal(({} as Json).polluted, undefined);
  });

  const isMalformedEvent = (error: unknown) =>
    isReplicationError(error) && error.code === "MalformedEvent" && error.disposition === "permanent";

  for (const body of ["", "hello", "{", "<xml/>", undefined, new Uint8Array([0xff, 0xfe]), new Uint8Array(), Symbol("x"), () => 1]) {
    it(`refuses what is not JSON: ${typeof body} ${String(body).slice(0, 10)}`, () =>
      assert.throws(() => parseMessage(body), isMalformedEvent));
  }

  it("throws at nothing but what is not JSON", () => {
    const throwsOnlyMalformed = (body: unknown) => {
      try {
        parseMessage(body);
      } catch (error) {
        assert.ok(isMalformedEvent(error), String(error));
      }
    };
    fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.uint8Array()), throwsOnlyMalformed));
    fc.assert(fc.property(fc.json(), (text) => assert.doesNotThrow(() => parseMessage(text))));
    const names = fc.constantFrom(
      "Records",
      "s3",
      "object",
      "key",
      "bucket",
      "name",
      "eventName",
      "Type",
      "Message",
      "body",
      "Sns",
      "detail-type",
    );
    const values = fc.constantFrom("k", "ObjectCreated:Put", "Notification", "Object Created", "{}", "[[]]", 1, null, true);
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 6 }, values, fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(names, tie("node"), { maxKeys: 4 })),
    }));
    fc.assert(
      fc.property(node, (document) => assert.doesNotThrow(() => parseMessage(JSON.stringify(document)))),
      { numRuns: 500 },
    );
  });

  it("makes a message of what it throws at, for where nobody can be told", () => {
    const message = malformedMessage("hello", "not JSON");
    assert.deepEqual(message, { events: [], ignored: 0, malformed: [{ reason: "not JSON", excerpt: "hello" }] });
  });
});

describe("parseMessage: S3's own replication", () => {
  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html */
  function replicationRecord(eventName: string, data: Json, object: Json = {}): Json {
    const replicationEventData = {
      replicationRuleId: "acme/photos/b:copy",
      destinationBucket: "arn:aws:s3:::copy",
      s3Operation: "OBJECT_PUT",
      requestTime: "2026-11-21T00:44:59.168Z",
      ...data,
    };
    return {
      ...awsRecord(eventName, object),
      eventVersion: "2.2",
      userIdentity: { principalId: "s3.amazonaws.com" },
      replicationEventData,
    };
  }

  const notice = { bucket: "src", key: "dir/red flower.jpg", versionId: "v1", ruleId: "acme/photos/b:copy", eventTime: MS };

  it("reads why an object was given up, with the rule and the version", () => {
    const record = replicationRecord("Replication:OperationFailedReplication", { failureReason: "AssumeRoleNotPermitted" });
    const wanted = {
      events: [],
      notices: [{ ...notice, kind: "failed", failureReason: "AssumeRoleNotPermitted" }],
      ignored: 0,
      malformed: [],
    };
    assert.deepEqual(parseMessage({ Records: [record] }), wanted);
  });

  const kinds = {
    "Replication:OperationMissedThreshold": "delayed",
    "s3:Replication:OperationReplicatedAfterThreshold": "late",
    "Replication:OperationNotTracked": "notTracked",
  };
  for (const [name, kind] of Object.entries(kinds)) {
    it(`takes ${name} for ${kind}`, () => {
      const { notices } = parseMessage({ Records: [replicationRecord(name, { threshold: "15M" })] });
      assert.deepEqual(notices, [{ ...notice, kind, failureReason: undefined }]);
    });
  }

  it("reads them beside other events, and inside SNS and SQS", () => {
    const record = replicationRecord("Replication:OperationNotTracked", {}, { key: "a%2Bb" });
    const message = JSON.stringify({ Records: [awsRecord("ObjectCreated:Put"), record] });
    const inSns = JSON.stringify({ Type: "Notification", Message: message });
    const { events, notices } = parseMessage({ Records: [{ eventSource: "aws:sqs", body: inSns }] });
    assert.deepEqual([events.length, notices?.map(({ key }) => key)], [1, ["a+b"]]);
  });

  it("sets aside one whose key cannot be read", () => {
    const record = replicationRecord("Replication:OperationFailedReplication", {}, { key: "%zz" });
    assert.deepEqual(
      parseMessage({ Records: [record] }).malformed.map(({ reason }) => reason),
      ["the record names no bucket or no key"],
    );
  });
});
