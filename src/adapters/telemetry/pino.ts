import { type DestinationStream, destination, type Logger as PinoLogger, pino } from "pino";
import { isReplicationError } from "../../domain/error.ts";
import type { LogFields, Logger } from "../../ports/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface PinoLoggerOptions {
  /** @defaultValue "info" */
  readonly level?: LogLevel | undefined;
  /** Put on every line. */
  readonly fields?: LogFields | undefined;
  /** Where lines go. @defaultValue stderr: stdout is for results */
  readonly stream?: DestinationStream | undefined;
}

const STDERR = 2;
const REDACTED = "[redacted]";

/** Fields that hold secrets wherever they stand, up to two objects deep. */
const SECRET_FIELDS = ["secretAccessKey", "sessionToken", "token", "tokens", "password", "authorization", "credentials"];

/** How many causes of an error are printed; a cycle must end. */
const MAX_CAUSES = 5;

/** Writes one JSON line per message, at once, so that nothing is lost when the process dies. */
export function createPinoLogger(options: PinoLoggerOptions = {}): Logger {
  const settings = {
    level: options.level ?? "info",
    base: { ...options.fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: toErrorFields },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: REDACTED },
  };
  return new PinoLoggerPort(pino(settings, options.stream ?? destination({ fd: STDERR, sync: true })));
}

class PinoLoggerPort implements Logger {
  readonly #pino: PinoLogger;

  constructor(logger: PinoLogger) {
    this.#pino = logger;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(fields, message);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(fields, message);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(fields, message);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(fields, message);
  }
}

/** An error as fields: for ours what a person needs, for others also the stack, since they are bugs until proven otherwise. */
function toErrorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const cause = error.cause === undefined || depth >= MAX_CAUSES ? undefined : toErrorFields(error.cause, depth + 1);
  if (!isReplicationError(error)) return { name: error.name, message: error.message, stack: error.stack, cause };
  const { code, message, hint, at } = error;
  return { code, message, hint, ...at, cause };
}
