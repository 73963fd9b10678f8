import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { oneWayDeleteScenarios } from "../support/scenarios/deletes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("deletes between embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedMesh, oneWayDeleteScenarios);
});
