import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { meshRecoveryScenarios, meshScenarios } from "../support/scenarios/meshes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("meshes of embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedMesh, [...meshScenarios, ...meshRecoveryScenarios]);
});
