import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openEmbeddedMesh } from "../support/mesh-world.ts";
import { lostLedgerScenarios } from "../support/scenarios/lost-ledger.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("a mesh whose ledger was lost", () => {
  guardAgainstLeaks();
  bind(openEmbeddedMesh, lostLedgerScenarios);
});
