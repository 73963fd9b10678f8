import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openMotoWorld } from "../support/real-world.ts";
import { queueScenarios } from "../support/scenarios/intake.ts";
import { bind } from "../support/scenarios/scenario.ts";

for (const route of ["SQS", "SNS raw", "SNS enveloped"] as const) {
  describe(`from moto into MinIO, with events by ${route}`, () => {
    guardAgainstLeaks();
    bind(openMotoWorld(route), queueScenarios);
  });
}
