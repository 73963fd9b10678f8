import { describe } from "node:test";
import { startBoto } from "../support/boto.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openVersitygwMesh } from "../support/mesh-world.ts";
import { conflictScenarios } from "../support/scenarios/conflicts.ts";
import { oneWayDeleteScenarios } from "../support/scenarios/deletes.ts";
import { hybridScenarios } from "../support/scenarios/hybrids.ts";
import { meshRecoveryScenarios, meshScenarios } from "../support/scenarios/meshes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("meshes and conflicts of three versity gateways, with boto3 as the client", () => {
  guardAgainstLeaks();
  bind(openVersitygwMesh(startBoto), [...meshScenarios, ...conflictScenarios]);
});

describe("deletes, boundaries and crashes of three versity gateways, with the AWS SDK as the client", () => {
  guardAgainstLeaks();
  bind(openVersitygwMesh(), [...oneWayDeleteScenarios, ...hybridScenarios, ...meshRecoveryScenarios]);
});
