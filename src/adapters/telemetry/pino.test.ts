import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicationError } from "../../domain/error.ts";
import type { LogFields, Logger } from "../../ports/logger.ts";
import { createPinoLogger, type PinoLoggerOptions } from "./pino.ts";

function logged(write: (logger: Logger) => void, options: PinoLoggerOptions = {}): LogFields[] {
  const lines: string[] = [];
  write(createPinoLogger({ ...options, stream: { write: (line: string) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as LogFields);
}

describe("the pino logger", () => {
  it("writes level, time, message and fields as one JSON line", () => {
    const [line] = logged((logger) => logger.warn("slow", { store: "a", ms: 5 }), { fields: { name: "acme" } });
    const { time, ...rest } = line!;
    assert.deepEqual(rest, { level: "warn", name: "acme", store: "a", ms: 5, msg: "slow" });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("leaves out what is below its level", () => {
    const write = (logger: Logger) => {
      logger.debug("d");
      logger.info("i");
      logger.warn("w");
      logger.error("e");
    };
    assert.deepEqual(
      logged(write).map((line) => line.level),
      ["info", "warn", "error"],
    );
    assert.equal(logged(write, { level: "debug" }).length, 4);
    assert.equal(logged(write, { level: "silent" }).length, 0);
  });

  it("writes our errors by what a person needs, others with their stack, both with their causes", () => {
    const cause = new TypeError("socket hung up");
    const error = new ReplicationError("AccessDenied", "no", { hint: "allow it", at: { operation: "PutObject", bucket: "b" }, cause });
    const [line] = logged((logger) => logger.error("failed", { error }));
    const { cause: printed, ...rest } = line!.error as { cause: { name: string; stack: string } };
    assert.deepEqual(rest, { code: "AccessDenied", message: "no", hint: "allow it", operation: "PutObject", bucket: "b" });
    assert.equal(printed.name, "TypeError");
    assert.match(printed.stack, /socket hung up/);
  });

  it("survives causes that go in a circle, and fields that do", () => {
    const error = new Error("a");
    error.cause = error;
    const fields: Record<string, unknown> = { error };
    fields.self = fields;
    assert.equal(logged((logger) => logger.error("failed", fields)).length, 1);
  });

  it("shows no secrets", () => {
    const secret = "s3cr3t";
    const fields = {
      token: secret,
      headers: { authorization: secret },
      store: { credentials: { accessKeyId: "AK", secretAccessKey: secret } },
      provider: { deep: { secretAccessKey: secret } },
    };
    assert.ok(!JSON.stringify(logged((logger) => logger.info("x", fields))).includes(secret));
  });
});
