import { describe } from "node:test";
import { startBoto } from "../support/boto.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openMinioWorld, openVersitygwWorld } from "../support/real-world.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { nullVersionScenarios, versionScenarios } from "../support/scenarios/versions.ts";

describe("all versions between two MinIO servers, with boto3 as the client", () => {
  guardAgainstLeaks();
  bind(openMinioWorld(startBoto), [...versionScenarios, ...nullVersionScenarios]);
});

describe("all versions between two versity gateways", () => {
  guardAgainstLeaks();
  bind(openVersitygwWorld(), [...versionScenarios, ...nullVersionScenarios]);
});
