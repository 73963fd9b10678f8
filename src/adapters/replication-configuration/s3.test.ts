import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { guardAgainstLeaks } from "../../../test/support/leak-guard.ts";
import { type CannedAnswer, type RecordedRequest, startRecorder } from "../../../test/support/recorder.ts";
import { isReplicationError } from "../../domain/error.ts";
import type { ReplicationConfiguration } from "../../ports/replication-configuration.ts";
import { openReplicationConfiguration, type ReplicationConfigurationOptions } from "./s3.ts";

const credentials = () => ({ accessKeyId: "a", secretAccessKey: "b" });
const HOME = "eu-central-1";

const SETTINGS: Readonly<Record<string, string>> = {
  versioning: "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
  "object-lock": "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
  requestPayment: "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
  ownershipControls: "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
  encryption:
    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>alias/k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
};
const ABSENT: Readonly<Record<string, string>> = {
  versioning: "",
  "object-lock": "ObjectLockConfigurationNotFoundError",
  requestPayment: "",
  ownershipControls: "OwnershipControlsNotFoundError",
  encryption: "ServerSideEncryptionConfigurationNotFoundError",
};

function settingOf({ url }: RecordedRequest): string {
  return [...new URL(url, "http://s3").searchParams.keys()][0] ?? "";
}

function refuse(status: number, code: string): CannedAnswer {
  return { status, body: `<Error><Code>${code}</Code><Message>no</Message></Error>` };
}

async function withBucket(
  answer: (request: RecordedRequest) => CannedAnswer,
  use: (bucket: ReplicationConfiguration, requests: readonly RecordedRequest[]) => Promise<void>,
  options: Partial<ReplicationConfigurationOptions> = {},
): Promise<void> {
  await using recorder = await startRecorder(answer);
  const { endpoint, requests } = recorder;
  const bucket = await openReplicationConfiguration({
    endpoint,
    region: HOME,
    forcePathStyle: true,
    credentials,
    bucket: "src",
    ...options,
  });
  try {
    await use(bucket, requests);
  } finally {
    bucket.close();
  }
}

describe("what S3 is told about replication", () => {
  guardAgainstLeaks();

  test("the facts of a bucket are S3's own", async () => {
    const answer = (request: RecordedRequest) =>
      request.method === "HEAD" ? { headers: { "x-amz-bucket-region": HOME } } : { body: SETTINGS[settingOf(request)] ?? "" };
    await withBucket(answer, async (bucket) => {
      assert.deepEqual(await bucket.facts(), {
        region: HOME,
        versioning: "Suspended",
        objectLock: true,
        requesterPays: true,
        ownerEnforced: true,
        defaultKeyId: "alias/k",
      });
    });
  });

  test("a setting that was never made is absent, and no error", async () => {
    const answer = (request: RecordedRequest) => {
      if (request.method === "HEAD") return {};
      const code = ABSENT[settingOf(request)] ?? "";
      return code === "" ? { body: "<Empty/>" } : refuse(404, code);
    };
    await withBucket(answer, async (bucket) => {
      assert.deepEqual(await bucket.facts(), {
        region: HOME,
        versioning: "Unversioned",
        objectLock: false,
        requesterPays: false,
        ownerEnforced: false,
        defaultKeyId: null,
      });
    });
  });

  test("only 404 means that there is no bucket: 403 is another's, or a right that is missing", async () => {
    await withBucket(
      () => ({ status: 404 }),
      async (bucket) => assert.equal(await bucket.facts(), undefined),
    );
    await withBucket(
      () => ({ status: 403 }),
      (bucket) =>
        assert.rejects(bucket.facts(), (error) => {
          assert.ok(isReplicationError(error));
          assert.deepEqual([error.code, error.at.operation], ["AccessDenied", "HeadBucket"]);
          assert.match(error.hint ?? "", /s3:ListBucket.*another account/);
          return true;
        }),
    );
  });

  test("versions are counted over all pages, as many as may be asked for, and delete markers are none", async () => {
    const version = (key: string, size: number) => `<Version><Key>${key}</Key><VersionId>1</VersionId><Size>${size}</Size></Version>`;
    const next = "<IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker><NextVersionIdMarker>9</NextVersionIdMarker>";
    const marker = "<DeleteMarker><Key>b</Key><VersionId>2</VersionId></DeleteMarker>";
    const answer = ({ url }: RecordedRequest) => {
      const isSecond = url.includes("key-marker=b&") && url.includes("version-id-marker=9");
      const page = isSecond ? version("c", 5) : `${version("a", 1)}${version("b", 2)}${marker}${next}`;
      return { body: `<ListVersionsResult>${page}</ListVersionsResult>` };
    };
    await withBucket(answer, async (bucket, requests) => {
      assert.deepEqual(await bucket.count("p/", { maxPages: 9 }), { objects: 3, bytes: 8, isWhole: true });
      assert.equal(requests.length, 2);
      assert.ok(requests.every(({ url }) => url.includes("prefix=p%2F")));
      assert.deepEqual(await bucket.count("p/", { maxPages: 1 }), { objects: 2, bytes: 3, isWhole: false });
      const interrupted = { maxPages: 9, signal: AbortSignal.abort() };
      assert.deepEqual(await bucket.count("p/", interrupted), { objects: 0, bytes: 0, isWhole: false });
    });
  });

  test("a setting that may not be read is told by the right that is missing", async () => {
    const rights = {
      versioning: "s3:GetBucketVersioning",
      "object-lock": "s3:GetBucketObjectLockConfiguration",
      requestPayment: "s3:GetBucketRequestPayment",
      ownershipControls: "s3:GetBucketOwnershipControls",
      encryption: "s3:GetEncryptionConfiguration",
    };
    for (const [setting, right] of Object.entries(rights)) {
      const answer = (request: RecordedRequest) => {
        if (request.method === "HEAD") return {};
        return settingOf(request) === setting ? refuse(403, "AccessDenied") : { body: SETTINGS[settingOf(request)] ?? "" };
      };
      await withBucket(answer, (bucket) => assert.rejects(bucket.facts(), { code: "AccessDenied", hint: `allow ${right}` }));
    }
  });

  for (const status of [301, 400])
    test(`a bucket in another region (${status}) is asked there, and stays there`, async () => {
      const inRegion = (request: RecordedRequest) => request.headers.authorization?.includes("/ap-south-1/s3/") ?? false;
      const answer = (request: RecordedRequest) => {
        if (!inRegion(request)) return { status, headers: { "x-amz-bucket-region": "ap-south-1" } };
        return request.method === "HEAD" ? {} : { body: SETTINGS[settingOf(request)] ?? "" };
      };
      await withBucket(answer, async (bucket, requests) => {
        assert.equal((await bucket.facts())?.region, "ap-south-1");
        assert.deepEqual(requests.map(inRegion), [false, true, true, true, true, true, true]);
      });
    });

  test("a redirect that names no region is no answer about the bucket", async () => {
    await withBucket(
      () => ({ status: 301 }),
      (bucket) => assert.rejects(bucket.facts(), { code: "InvalidRequest", at: { operation: "HeadBucket", bucket: "src", status: 301 } }),
    );
  });

  test("every call but the one that makes the bucket names the owner it must have", async () => {
    const answer = (request: RecordedRequest) => ({ body: settingOf(request) === "policy" ? "{}" : "<Empty/>" });
    const all = async (bucket: ReplicationConfiguration, requests: readonly RecordedRequest[]) => {
      await bucket.facts();
      await bucket.create({ objectLock: false });
      await bucket.enableVersioning();
      await bucket.replication();
      await bucket.putReplication({ role: "r", rules: [] });
      await bucket.policy();
      await bucket.putPolicy(undefined);
      await bucket.putPolicy({ Version: "2012-10-17", Statement: [{ Effect: "Allow" }] });
      await bucket.sampledKeys(1);
      const without = requests.filter(({ headers }) => headers["x-amz-expected-bucket-owner"] !== "111111111111");
      assert.deepEqual(
        without.map(({ method, url }) => `${method} ${url}`),
        ["PUT /src/"],
      );
      assert.equal(requests.length, 15);
    };
    await withBucket(answer, all, { expectedOwner: "111111111111" });
  });

  test("a bucket is made private, without ACLs, and its region is named but for the one that must not be", async () => {
    for (const [region, body] of [
      ["us-east-1", ""],
      ["eu-west-1", "<LocationConstraint>eu-west-1</LocationConstraint>"],
    ] as const)
      await withBucket(
        () => ({}),
        async (bucket, requests) => {
          await bucket.create({ objectLock: true });
          const [made, closed] = requests;
          assert.ok(made?.body.includes(body) && (body !== "" || made.body === ""), made?.body);
          assert.equal(made?.headers["x-amz-object-ownership"], "BucketOwnerEnforced");
          assert.equal(made?.headers["x-amz-bucket-object-lock-enabled"], "true");
          assert.equal(closed?.body.match(/>true</g)?.length, 4);
        },
        { region },
      );
  });

  test("a bucket that an interrupted run has made is finished; one of another account is not taken for it", async () => {
    const made = (code: string) => (request: RecordedRequest) => (settingOf(request) === "" ? refuse(409, code) : {});
    await withBucket(made("BucketAlreadyOwnedByYou"), async (bucket, requests) => {
      await bucket.create({ objectLock: false });
      assert.equal(settingOf(requests[1] as RecordedRequest), "publicAccessBlock");
    });
    await withBucket(made("BucketAlreadyExists"), (bucket) =>
      assert.rejects(bucket.create({ objectLock: false }), { code: "InvalidRequest", hint: /choose another/ }),
    );
  });

  test("rules of others go back byte for byte, also with characters that XML has words for", async () => {
    const rules =
      "<Rule><ID> a &amp; b </ID><Priority>7</Priority><Filter><And><Prefix> x&lt;y/&#xD;</Prefix><Tag><Key>k</Key><Value></Value></Tag></And></Filter><Status>Disabled</Status><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><ExistingObjectReplication><Status>Disabled</Status></ExistingObjectReplication><Destination><Bucket>arn:aws:s3:::d</Bucket><StorageClass>STANDARD_IA</StorageClass><EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID></EncryptionConfiguration><Metrics><Status>Enabled</Status></Metrics></Destination><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication></Rule>" +
      "<Rule><ID>b</ID><Priority>8</Priority><Filter/><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::d</Bucket></Destination><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication></Rule>";
    const document = `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>r</Role>${rules}</ReplicationConfiguration>`;
    await withBucket(
      () => ({ body: document }),
      async (bucket, requests) => {
        const found = await bucket.replication();
        assert.ok(found);
        await bucket.putReplication(found);
        assert.deepEqual(partsOf(requests[1]?.body ?? ""), partsOf(document));
      },
    );
  });

  test("rules of others that hold what is not known here are never put back without it", async () => {
    const rule = "<Rule><ID>a</ID><Filter/><Status>Enabled</Status><Novelty><Status>Enabled</Status></Novelty></Rule>";
    await withBucket(
      () => ({ body: `<ReplicationConfiguration><Role>r</Role>${rule}</ReplicationConfiguration>` }),
      async (bucket, requests) => {
        const found = await bucket.replication();
        assert.equal(found?.rules[0]?.id, "a");
        await assert.rejects(bucket.putReplication(found), { code: "NotImplemented", message: /Novelty/ });
        assert.equal(requests.length, 1);
      },
    );
  });

  test("a policy of one statement may be written without a list", async () => {
    const statement = { Effect: "Deny", Principal: "*", Action: "s3:DeleteBucket", Resource: "arn:aws:s3:::src" };
    await withBucket(
      () => ({ body: JSON.stringify({ Version: "2012-10-17", Statement: statement }) }),
      async (bucket) => assert.deepEqual(await bucket.policy(), { Version: "2012-10-17", Statement: [statement] }),
    );
  });

  for (const filter of [
    "<Filter/>",
    "<Filter></Filter>",
    "<Filter><Prefix/></Filter>",
    "<Filter><Prefix></Prefix></Filter>",
    "<Filter>\n </Filter>",
  ])
    test(`a rule for all keys is of the newer schema, however that is written: ${JSON.stringify(filter)}`, async () => {
      const rule = `<Rule><ID>theirs</ID><Priority>3</Priority>${filter}<Status>Enabled</Status><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::dst</Bucket></Destination></Rule>`;
      const document = `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>r</Role>${rule}</ReplicationConfiguration>`;
      await withBucket(
        ({ method }) => (method === "GET" ? { body: document } : {}),
        async (bucket, requests) => {
          const found = await bucket.replication();
          assert.ok(found !== undefined);
          assert.deepEqual([found.rules[0]?.priority, found.rules[0]?.prefix], [3, ""]);
          await bucket.putReplication(found);
          assert.match(requests.at(-1)?.body ?? "", /<Filter\s*\/>|<Filter>\s*(?:<Prefix\s*\/>|<Prefix><\/Prefix>)?\s*<\/Filter>/);
        },
      );
    });

  test("a conflict with somebody else's change is worth another try", async () => {
    await withBucket(
      () => refuse(409, "OperationAborted"),
      (bucket) => assert.rejects(bucket.putReplication({ role: "r", rules: [] }), { code: "SlowDown", disposition: "retry" }),
    );
  });

  test("nobody there is told as such, and never as a missing bucket", async () => {
    const options = { endpoint: "http://127.0.0.1:1", region: HOME, forcePathStyle: true, credentials, bucket: "src" };
    const bucket = await openReplicationConfiguration(options);
    await assert.rejects(bucket.facts(), { code: "StoreUnreachable" });
    bucket.close();
  });

  test("KMS keys are those of the newest objects", async () => {
    const objects = [1, 2, 3].map((day) => `<Contents><Key>k${day}</Key><LastModified>2026-01-0${day}T00:00:00Z</LastModified></Contents>`);
    const answer = (request: RecordedRequest) => {
      if (request.method !== "HEAD") return { body: `<ListBucketResult>${objects.join("")}</ListBucketResult>` };
      return request.url.startsWith("/src/k3") ? { headers: { "x-amz-server-side-encryption-aws-kms-key-id": "arn:k" } } : { status: 404 };
    };
    await withBucket(answer, async (bucket, requests) => {
      assert.deepEqual(await bucket.sampledKeys(2), ["arn:k"]);
      assert.deepEqual(
        requests.filter(({ method }) => method === "HEAD").map(({ url }) => url),
        ["/src/k3", "/src/k2"],
      );
    });
  });
});

/** Every element with its text, in an order that does not matter to S3. */
function partsOf(xml: string): string[] {
  const parts: string[] = [];
  const path: string[] = [];
  const canonical = xml.replace(/<\?xml[^>]*>/, "").replaceAll(/<(\w+)\/>/g, "<$1></$1>");
  for (const [, open, close, text] of canonical.matchAll(/<(\w+)[^>]*>|<\/(\w+)>|([^<]+)/g)) {
    if (open !== undefined) parts.push(path.concat(open).join("/"));
    if (open !== undefined) path.push(open);
    if (close !== undefined) path.pop();
    if (text !== undefined) parts.push(`${path.join("/")}=${text.replaceAll("&#x0D;", "&#xD;")}`);
  }
  return parts.toSorted();
}
