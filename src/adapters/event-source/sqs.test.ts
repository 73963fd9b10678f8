import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type FauxqsServer, startFauxqs } from "fauxqs";
import { waitFor } from "../../../test/support/wait-for.ts";
import { ReplicationError } from "../../domain/error.ts";
import type { ParsedMessage } from "../../domain/event.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventSource, Intake } from "../../ports/event-source.ts";
import type { LogFields, Logger } from "../../ports/logger.ts";
import { parseMessage } from "./s3-notification.ts";
import { createSqsEventSource, type SqsEventSourceOptions } from "./sqs.ts";

let server: FauxqsServer;
let queues = 0;

before(async () => {
  server = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
});

after(() => server.stop());

class Lines implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields | undefined }[] = [];
  debug = (message: string, fields?: LogFields): void => this.#push("debug", message, fields);
  info = (message: string, fields?: LogFields): void => this.#push("info", message, fields);
  warn = (message: string, fields?: LogFields): void => this.#push("warn", message, fields);
  error = (message: string, fields?: LogFields): void => this.#push("error", message, fields);

  #push(level: string, message: string, fields: LogFields | undefined): void {
    this.lines.push({ level, message, fields });
  }
}

/** Remembers how long was to be slept, and does not sleep; gives way so that what else goes on can. */
class QuickClock implements Clock {
  readonly sleeps: number[] = [];
  readonly now = Date.now;

  async sleep(ms: number): Promise<void> {
    this.sleeps.push(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class FakeIntake implements Intake {
  readonly accepted: ParsedMessage[] = [];
  /** Thrown one after the other, before anything is accepted. */
  readonly errors: Error[] = [];
  gate: Promise<void> = Promise.resolve();

  async accept(store: string, message: ParsedMessage): Promise<void> {
    assert.equal(store, "a");
    await this.gate;
    const error = this.errors.shift();
    if (error !== undefined) throw error;
    this.accepted.push(message);
  }

  keys(): string[] {
    return this.accepted.flatMap((message) => message.events.map((event) => event.keys[0])).sort();
  }
}

interface Running {
  readonly source: EventSource;
  readonly intake: FakeIntake;
  readonly log: Lines;
  readonly clock: QuickClock;
  readonly queue: string;
}

/** Runs a source on a queue of its own, and stops it after the test. */
async function withSource(test: (running: Running) => Promise<void>, changes: Partial<SqsEventSourceOptions> = {}): Promise<void> {
  const queue = `events-${++queues}`;
  const created = server.createQueue(queue);
  const log = new Lines();
  const clock = new QuickClock();
  const intake = new FakeIntake();
  const source = createSqsEventSource({
    store: "a",
    queueUrl: created.queueUrl,
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${server.port}`,
    credentials: () => ({ accessKeyId: "test", secretAccessKey: "test" }),
    logger: log,
    parse: (body) => parseMessage(body, { keyEncoding: "url" }),
    clock,
    ...changes,
  });
  try {
    await test({ source, intake, log, clock, queue });
  } finally {
    await source.stop();
  }
}

const s3Body = (...keys: string[]) =>
  JSON.stringify({
    Records: keys.map((key) => ({
      eventVersion: "2.6",
      eventSource: "aws:s3",
      eventTime: "2026-11-21T00:45:03.460Z",
      eventName: "ObjectCreated:Put",
      s3: { bucket: { name: "src" }, object: { key, size: 1, eTag: "e" } },
    })),
  });

function depth(queue: string): number {
  const messages = server.inspectQueue(queue)?.messages;
  return messages === undefined ? -1 : messages.ready.length + messages.delayed.length + messages.inflight.length;
}

const emptied = (queue: string) => waitFor("an empty queue", () => depth(queue) === 0);

describe("the SQS event source", () => {
  it("takes in what S3 sends to a queue, and deletes it", () =>
    withSource(async ({ source, intake, queue, log }) => {
      const keys = Array.from({ length: 25 }, (_, index) => `k${String(index).padStart(2, "0")}`);
      for (const key of keys) server.sendMessage(queue, s3Body(key));
      await source.start(intake);
      await emptied(queue);
      assert.deepEqual(intake.keys(), keys);
      assert.deepEqual(log.lines, []);
    }));

  it("takes in what comes through SNS, in an envelope and raw, and the test event", () =>
    withSource(async ({ source, intake, queue }) => {
      server.createTopic("topic");
      server.subscribe({ topic: "topic", queue });
      server.createTopic("raw-topic");
      server.subscribe({ topic: "raw-topic", queue, attributes: { RawMessageDelivery: "true" } });
      server.publish("topic", s3Body("in+envelope"));
      server.publish("raw-topic", s3Body("a%2Braw"));
      server.publish("topic", JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "src" }));
      await source.start(intake);
      await emptied(queue);
      assert.deepEqual(intake.keys(), ["a+raw", "in envelope"]);
      assert.equal(intake.accepted.filter((message) => message.ignored === 1).length, 1);
    }));

  it("sets aside what is not JSON, and deletes it", () =>
    withSource(async ({ source, intake, queue }) => {
      server.sendMessage(queue, "hello");
      server.sendMessage(queue, '{"not":"an event"}');
      await source.start(intake);
      await emptied(queue);
      const malformed = intake.accepted.flatMap((message) => message.malformed).map((record) => record.excerpt);
      assert.deepEqual(malformed.sort(), ["hello", '{"not":"an event"}']);
    }));

  it("deletes a message only once it is durable", () =>
    withSource(async ({ source, intake, queue }) => {
      const durable = Promise.withResolvers<void>();
      intake.gate = durable.promise;
      server.sendMessage(queue, s3Body("k"));
      await source.start(intake);
      await waitFor("the message in flight", () => server.inspectQueue(queue)?.messages.inflight.length === 1);
      durable.resolve();
      await emptied(queue);
      assert.deepEqual(intake.keys(), ["k"]);
    }));

  it("leaves in the queue what could not be taken in, for a while, and deletes the rest", () =>
    withSource(async ({ source, intake, queue, log, clock }) => {
      intake.errors.push(new ReplicationError("Overloaded", "too many commits wait"));
      for (const key of ["a", "b", "c"]) server.sendMessage(queue, s3Body(key));
      await source.start(intake);
      await waitFor("two of three deleted", () => depth(queue) === 1);
      const left = await waitFor("the third postponed", () => {
        const message = server.inspectQueue(queue)?.messages.inflight[0];
        return message !== undefined && message.visibilityDeadline - Date.now() < 6_000 && message;
      });
      assert.ok(left.visibilityDeadline > Date.now());
      assert.equal(intake.accepted.length, 2);
      assert.deepEqual(
        log.lines.map(({ level, fields }) => [level, fields?.code]),
        [["warn", "Overloaded"]],
      );
      await waitFor("a pause", () => clock.sleeps.length === 1);
    }));

  it("logs once that the queue is missing, with a hint, and goes on once it is there", () =>
    withSource(async ({ source, intake, queue, log, clock }) => {
      server.deleteQueue(queue);
      await source.start(intake);
      await waitFor("several tries", () => clock.sleeps.length >= 5);
      server.createQueue(queue);
      server.sendMessage(queue, s3Body("k"));
      await emptied(queue);
      assert.deepEqual(intake.keys(), ["k"]);
      assert.deepEqual(
        log.lines.map((line) => line.level),
        ["warn", "info"],
      );
      assert.match(String(log.lines[0]?.fields?.code), /QueueDoesNotExist|NonExistentQueue/);
      assert.match(String(log.lines[0]?.fields?.hint), /queueUrl/);
      assert.ok(Math.max(...clock.sleeps) <= 60_000);
    }));

  it("finds a queue by its name as soon as it is made, and says until then how to make it", () =>
    withSource(
      async ({ source, intake, log, clock }) => {
        await source.start(intake);
        await waitFor("several tries", () => clock.sleeps.length >= 3);
        server.createQueue("acme-made-later");
        server.sendMessage("acme-made-later", s3Body("k"));
        await emptied("acme-made-later");
        assert.deepEqual(intake.keys(), ["k"]);
        const [{ fields } = { fields: undefined }] = log.lines;
        assert.equal(fields?.queue, "acme-made-later");
        assert.match(String(fields?.hint), /replicast apply/);
      },
      { queueUrl: undefined, queueName: "acme-made-later" },
    ));

  it("logs once that nothing answers, and stops all the same", () =>
    withSource(
      async ({ source, intake, log, clock }) => {
        await source.start(intake);
        await waitFor("several tries", () => clock.sleeps.length >= 2);
        await source.stop();
        assert.deepEqual(
          log.lines.map(({ level, fields }) => [level, fields?.code]),
          [["warn", "ECONNREFUSED"]],
        );
      },
      { endpoint: "http://127.0.0.1:1" },
    ));

  it("stops in the middle of a pause", () =>
    withSource(
      async ({ source, intake, log }) => {
        await source.start(intake);
        await waitFor("the first failure", () => log.lines.length === 1);
        await source.stop();
      },
      { endpoint: "http://127.0.0.1:1", clock: undefined },
    ));

  it("keeps trying where there are no credentials", () =>
    withSource(
      async ({ source, intake, log, clock }) => {
        await source.start(intake);
        await waitFor("several tries", () => clock.sleeps.length >= 3);
        assert.equal(log.lines.length, 1);
        assert.match(JSON.stringify(log.lines[0]?.fields), /no credentials/);
      },
      {
        credentials: () => {
          throw new ReplicationError("InvalidAccessKeyId", "no credentials");
        },
      },
    ));

  it("stops in the middle of a long poll, after what is being handed over, and only once", () =>
    withSource(async ({ source, intake, queue }) => {
      const durable = Promise.withResolvers<void>();
      intake.gate = durable.promise;
      server.sendMessage(queue, s3Body("k"));
      await source.start(intake);
      await waitFor("the message in flight", () => server.inspectQueue(queue)?.messages.inflight.length === 1);
      const stopping = source.stop();
      assert.equal(source.stop(), stopping);
      durable.resolve();
      await stopping;
      assert.equal(depth(queue), 0);
      server.sendMessage(queue, s3Body("later"));
      await source.start(intake);
      assert.deepEqual(intake.keys(), ["k"]);
    }));

  it("can be stopped before it was started, and while it starts", async () => {
    await withSource(async ({ source, intake }) => {
      await source.stop();
      await source.start(intake);
    });
    await withSource(async ({ source, intake }) => {
      const starting = source.start(intake);
      await Promise.all([source.stop(), starting]);
    });
  });

  it("does not load the SDK before it starts", async () => {
    const module = fileURLToPath(new URL("sqs.ts", import.meta.url));
    const script = `
      import { registerHooks } from "node:module";
      const seen = [];
      registerHooks({ resolve: (specifier, context, next) => (seen.push(specifier), next(specifier, context)) });
      const { createSqsEventSource } = await import(${JSON.stringify(module)});
      createSqsEventSource({ store: "a", queueUrl: "http://q.test/1/q", region: "r", credentials: () => ({}), logger: console });
      console.log(JSON.stringify(seen));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    const seen = JSON.parse(stdout) as string[];
    assert.ok(seen.includes("./sqs-queue.ts"));
    assert.deepEqual(
      seen.filter((specifier) => specifier.startsWith("@")),
      [],
    );
  });
});
