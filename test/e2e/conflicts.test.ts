import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { conflictScenarios } from "../support/scenarios/conflicts.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("conflicts between embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedMesh, conflictScenarios);
});
