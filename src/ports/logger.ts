export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log lines. Implementations redact secrets; callers never pass bodies or credentials. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
