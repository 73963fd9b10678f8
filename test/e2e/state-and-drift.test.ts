import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { backfillScenarios, failureScenarios } from "../support/scenarios/backfill.ts";
import { driftScenarios } from "../support/scenarios/drift.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { statusScenarios } from "../support/scenarios/status.ts";

describe("backfill, status, verify and sync between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...backfillScenarios, ...failureScenarios, ...statusScenarios, ...driftScenarios]);
});
