import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openQueueWorld, snsEnvelope } from "../support/queue-world.ts";
import { intakeScenarios, queueScenarios } from "../support/scenarios/intake.ts";
import { keptKeyScenarios } from "../support/scenarios/keys.ts";
import { bind } from "../support/scenarios/scenario.ts";

describe("events into embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, [...intakeScenarios, ...keptKeyScenarios]);
});

describe("events through SQS", () => {
  guardAgainstLeaks();
  bind(openQueueWorld(), queueScenarios);
});

describe("events through SNS and SQS", () => {
  guardAgainstLeaks();
  bind(openQueueWorld(snsEnvelope), queueScenarios);
});
