import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { deleteScenarios, replicationScenarios } from "../support/scenarios/replication.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("replication between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...replicationScenarios, ...deleteScenarios]);
});
