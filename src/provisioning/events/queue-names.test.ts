import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { queueArnOf, queueNameOf } from "./queue-names.ts";

describe("names of queues", () => {
  it("have 80 characters at most, of those that SQS takes, and tell buckets and configs apart", () => {
    const names = ["a", "x".repeat(63)].flatMap((name) =>
      ["photos", "photos.eu", "photos-eu", `${"b".repeat(61)}.1`, `${"b".repeat(61)}.2`].map((bucket) => queueNameOf(name, { bucket })),
    );
    for (const name of names) assert.match(name, /^[A-Za-z0-9_-]{1,80}$/);
    assert.equal(new Set(names).size, names.length);
  });

  it("are the same wherever and whenever they are made up", () => {
    assert.equal(queueNameOf("acme", { bucket: "photos" }), queueNameOf("acme", { bucket: "photos" }));
    assert.match(queueNameOf("acme", { bucket: "photos" }), /^acme-photos-[0-9a-f]{10}$/);
  });
});

it("a queue's ARN follows from its URL, in every partition, and from nothing else", () => {
  const at = (url: string, region: string) => queueArnOf(url, region);
  assert.equal(at("https://sqs.eu-west-1.amazonaws.com/111122223333/q", "eu-west-1"), "arn:aws:sqs:eu-west-1:111122223333:q");
  assert.equal(at("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", "cn-north-1"), "arn:aws-cn:sqs:cn-north-1:111122223333:q");
  assert.equal(at("https://queues.example/q", "eu-west-1"), undefined);
});
