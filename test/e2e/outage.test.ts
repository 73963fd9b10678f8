import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { crashScenarios, lifecycleScenarios, outageScenarios } from "../support/scenarios/outage.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("crashes, outages and ends between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...crashScenarios, ...outageScenarios, ...lifecycleScenarios]);
});
