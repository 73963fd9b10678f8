import { describe } from "node:test";
import { startBoto } from "../support/boto.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openMinioMesh } from "../support/mesh-world.ts";
import { conflictScenarios } from "../support/scenarios/conflicts.ts";
import { oneWayDeleteScenarios, unconditionalDeleteScenarios } from "../support/scenarios/deletes.ts";
import { hybridScenarios } from "../support/scenarios/hybrids.ts";
import { meshRecoveryScenarios, meshScenarios } from "../support/scenarios/meshes.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("meshes and conflicts of three MinIO servers, with boto3 as the client", () => {
  guardAgainstLeaks();
  bind(openMinioMesh(startBoto), [...meshScenarios, ...conflictScenarios]);
});

describe("deletes, boundaries and crashes of three MinIO servers, with the AWS SDK as the client", () => {
  guardAgainstLeaks();
  bind(openMinioMesh(), [...oneWayDeleteScenarios, ...hybridScenarios, ...meshRecoveryScenarios, ...unconditionalDeleteScenarios]);
});
