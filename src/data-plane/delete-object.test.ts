import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EmbeddedObjectStore } from "../adapters/object-store/embedded/object-store.ts";
import type { Rule } from "../domain/rule.ts";
import { Body } from "../embedded-s3/body.ts";
import { EmbeddedS3Model } from "../embedded-s3/model.ts";
import { bucketOf } from "../testing/memory-object-store.ts";
import { type ObjectStoreCall, withFaults } from "../testing/with-faults.ts";
import { deleteObject } from "./delete-object.ts";

interface Scene {
  readonly honoursConditions: boolean;
  readonly versioned: boolean;
  readonly deletes?: Rule["deletes"];
}

/** Deletes the one object of a bucket; returns how that ended, or why not, and what was asked of the store. */
async function deleted({ honoursConditions, versioned, deletes = "propagate" }: Scene): Promise<[string, readonly ObjectStoreCall[]]> {
  const model = new EmbeddedS3Model();
  model.createBucket("bucket");
  if (versioned) model.setVersioning("bucket", "Enabled");
  const { etag } = model.putObject("bucket", "k", { body: Body.of("x") });
  const conditional = { delete: honoursConditions };
  const store = withFaults(new EmbeddedObjectStore({ bucket: bucketOf("bucket"), model, conditional }));
  const rule = { deletes, unsafeDeletes: false };
  const end = await deleteObject({ store, key: "k", etag, versionId: null, rule, hasOtherWriters: true }).then(
    ({ kind }) => kind,
    ({ code }: { readonly code: string }) => code,
  );
  return [end, store.calls];
}

describe("deleteObject", () => {
  it("asks a bucket that honours conditions for nothing but the object", async () => {
    const end = ["deleted", ["capabilities", "observe", "delete"]];
    assert.deepEqual(await deleted({ honoursConditions: true, versioned: true }), end);
    assert.deepEqual(await deleted({ honoursConditions: true, versioned: false }), end);
  });

  it("asks whether the bucket keeps versions, and for nothing else of it, where that decides (invariant 4)", async () => {
    const asked = ["capabilities", "versioning", "observe"];
    const byMarker = ["deleted", [...asked, "delete", "listVersions"]];
    assert.deepEqual(await deleted({ honoursConditions: false, versioned: true }), byMarker);
    assert.deepEqual(await deleted({ honoursConditions: false, versioned: false }), ["CapabilityMissing", asked]);
    const markers = await deleted({ honoursConditions: true, versioned: false, deletes: "markers" });
    assert.deepEqual(markers, ["CapabilityMissing", ["capabilities", "versioning"]]);
  });
});
