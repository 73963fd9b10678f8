import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { meshScenarios } from "../support/scenarios/meshes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("meshes of embedded stores", () => {
  guardAgainstLeaks();
  // Crashes and losses take their time: they run on real servers, and by the hundred in the simulation.
  bind(openEmbeddedMesh, meshScenarios);
});
