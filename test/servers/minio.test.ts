import { describe } from "node:test";
import { startBoto } from "../support/boto.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openMinioWorld } from "../support/real-world.ts";
import { backfillScenarios, failureScenarios } from "../support/scenarios/backfill.ts";
import { driftScenarios } from "../support/scenarios/drift.ts";
import { intakeScenarios } from "../support/scenarios/intake.ts";
import { crashScenarios, lifecycleScenarios, outageScenarios } from "../support/scenarios/outage.ts";
import { deleteScenarios, replicationScenarios } from "../support/scenarios/replication.ts";
import { bind } from "../support/scenarios/scenario.ts";
import { statusScenarios } from "../support/scenarios/status.ts";

describe("between two MinIO servers, with boto3 as the client", () => {
  guardAgainstLeaks();
  bind(openMinioWorld(startBoto), [...replicationScenarios, ...deleteScenarios]);
});

describe("between two MinIO servers, with the AWS SDK as the client", () => {
  guardAgainstLeaks();
  bind(openMinioWorld(), [...backfillScenarios, ...failureScenarios, ...statusScenarios, ...driftScenarios]);
});

describe("crashes and outages of two MinIO servers", () => {
  guardAgainstLeaks();
  bind(openMinioWorld(), [...crashScenarios, ...outageScenarios, ...lifecycleScenarios, ...intakeScenarios]);
});
