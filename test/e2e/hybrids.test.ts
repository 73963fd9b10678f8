import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { hybridScenarios } from "../support/scenarios/hybrids.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("chains and hybrids of embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedMesh, hybridScenarios);
});
