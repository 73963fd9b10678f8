import { after, before } from "node:test";
import { describeObjectStore } from "../../src/testing/object-store-contract.ts";
import { startMinio } from "../support/minio.ts";
import { openObjectStore } from "../support/object-store-harness.ts";
import type { RealServer } from "../support/server.ts";
import { startVersitygw } from "../support/versitygw.ts";

const SERVERS: Readonly<Record<string, { start: () => Promise<RealServer>; exempt: Readonly<Record<string, string>> }>> = {
  MinIO: {
    start: startMinio,
    exempt: {
      "a key with '.' or '..' segments is kept": "MinIO refuses such keys",
      "a key with empty segments is kept": "MinIO drops a leading slash and refuses others",
      "a key of 1,024 bytes in one segment is kept": "MinIO keeps a segment as a file name of 255 bytes",
      "tags beyond ASCII come back as they were given": "MinIO refuses them",
      "a delete of one state removes no other": "MinIO ignores conditions on deletes",
    },
  },
  versitygw: {
    start: startVersitygw,
    exempt: {
      "a key that ends in a slash can have a body": "the gateway makes a directory of it",
      "a key with '.' or '..' segments is kept": "the gateway folds or refuses them",
      "a key with empty segments is kept": "the gateway folds them",
      "a key with control characters is kept": "the gateway lists them as U+FFFD",
      "a key of 1,024 bytes in one segment is kept": "the gateway keeps a segment as a file name of 255 bytes",
      "versions are listed the same on pages of any length": "the gateway does not go on after a page that ends in a delete marker",
      "a key and another below it live side by side": "the gateway keeps one as a file, the other would need a directory",
    },
  },
};

const running = new Map<string, RealServer>();

before(async () => {
  for (const [name, { start }] of Object.entries(SERVERS)) running.set(name, await start());
});
after(() => Promise.all([...running.values()].map((server) => server[Symbol.asyncDispose]())));

for (const [name, { exempt }] of Object.entries(SERVERS)) {
  describeObjectStore({ name: `S3 over ${name}`, exempt, open: () => openObjectStore(running.get(name)!) });
}
