import { describe } from "node:test";
import { openEmbeddedWorld } from "../support/embedded-world.ts";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openQueueWorld } from "../support/queue-world.ts";
import { doctorScenarios } from "../support/scenarios/doctor.ts";
import { bind } from "../support/scenarios/scenario.ts";

const scenarios = doctorScenarios({ limits: [], nearLimits: [] });

describe("doctor between two embedded stores", () => {
  guardAgainstLeaks();
  bind(openEmbeddedWorld, scenarios);
});

describe("doctor of a source whose events go through a queue", () => {
  guardAgainstLeaks();
  bind(
    openQueueWorld(),
    scenarios.filter(({ title }) => title.includes("events")),
  );
});
