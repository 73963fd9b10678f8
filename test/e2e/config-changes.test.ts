import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { configChangeScenarios } from "../support/scenarios/config-changes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("changes of the config between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, configChangeScenarios);
});
