import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { nullVersionScenarios, versionScenarios } from "../support/scenarios/versions.ts";

describe("all versions between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...versionScenarios, ...nullVersionScenarios]);
});
