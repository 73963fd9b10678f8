import { describe } from "node:test";
import { guardAgainstLeaks } from "../support/leak-guard.ts";
import { openMinioWorld, openMotoWorld, openVersitygwWorld } from "../support/real-world.ts";
import { doctorScenarios } from "../support/scenarios/doctor.ts";
import { bind } from "../support/scenarios/scenario.ts";

const FILE_SYSTEM = ["KeysCollide", "KeysRefused"];

describe("doctor between two MinIO servers", () => {
  guardAgainstLeaks();
  bind(openMinioWorld(), doctorScenarios({ limits: FILE_SYSTEM, nearLimits: FILE_SYSTEM }));
});

describe("doctor between two versity gateways", () => {
  guardAgainstLeaks();
  bind(openVersitygwWorld(), doctorScenarios({ limits: FILE_SYSTEM, nearLimits: FILE_SYSTEM }));
});

describe("doctor from moto into MinIO", () => {
  guardAgainstLeaks();
  bind(openMotoWorld("SQS"), doctorScenarios({ limits: FILE_SYSTEM, nearLimits: [] }));
});
