import { describe } from "node:test";
import { startBoto } from "../support/boto.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openVersitygwWorld } from "../support/real-world.ts";
import { backfillScenarios } from "../support/scenarios/backfill.ts";
import { driftScenarios } from "../support/scenarios/drift.ts";
import { crashScenarios } from "../support/scenarios/outage.ts";
import { deleteScenarios, replicationScenarios } from "../support/scenarios/replication.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("between two versity gateways, with boto3 as the client", () => {
  guardAgainstLeaks();
  bind(openVersitygwWorld(startBoto), [...replicationScenarios, ...deleteScenarios]);
});

describe("between two versity gateways, with the AWS SDK as the client", () => {
  guardAgainstLeaks();
  bind(openVersitygwWorld(), [...backfillScenarios, ...driftScenarios, ...crashScenarios]);
});
