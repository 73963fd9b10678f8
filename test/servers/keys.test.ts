import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { startMinio } from "../support/minio.ts";
import { openInto } from "../support/real-world.ts";
import { refusedKeyScenarios } from "../support/scenarios/keys.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { startVersitygw } from "../support/versitygw.ts";

describe("from an embedded store into MinIO", () => {
  guardAgainstLeaks();
  bind(
    openInto(() => startMinio()),
    refusedKeyScenarios,
  );
});

describe("from an embedded store into the versity gateway", () => {
  guardAgainstLeaks();
  bind(
    openInto(() => startVersitygw()),
    refusedKeyScenarios,
  );
});
