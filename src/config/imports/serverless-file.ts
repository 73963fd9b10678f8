import { type Document, isNode, LineCounter, parseDocument, Scalar, visit } from "yaml";
import { isMap } from "../precedence.ts";
import { type Finding, formatPath, type Path, problemsError } from "../problem.ts";
import type { Environment } from "../resolved-config.ts";
import { alternativesIn, type Part, partsOf, unquoted } from "./serverless-variable.ts";

export interface ServerlessFileOptions {
  /** As it is printed. */
  readonly file: string;
  /** As `serverless --stage` has it; absent: what the file says, else `dev`. */
  readonly stage?: string | undefined;
  /** Absent: what the file says, else `us-east-1`. */
  readonly region?: string | undefined;
  readonly env: Environment;
}

/** The parts of a serverless.yml that are about replication, with its variables replaced. */
export interface ServerlessFile {
  readonly service: string;
  readonly stage: string;
  readonly region: string;
  readonly custom: { readonly replicast?: unknown; readonly s3ReplicationPlugin?: unknown };
  /** As it was written, variables and all. */
  readonly written: (path: Path) => unknown;
}

const PARTS = ["replicast", "s3ReplicationPlugin"] as const;
const OTHER_FORMAT =
  "name a serverless.yml or serverless.json; of other formats `serverless print --format json` makes one that can be read";
const DEFAULT_STAGE = "dev";
const DEFAULT_REGION = "us-east-1";

/**
 * Reads a serverless.yml or serverless.json. Of its variables `self:`, `opt:stage`, `opt:region`, `sls:stage`, `aws:region`, `env:` and `param:`
 * are replaced where replication needs them.
 *
 * @throws ReplicationError `ConfigInvalid` with every variable that nobody but the framework can replace, and its line
 */
export function readServerlessFile(text: string, options: ServerlessFileOptions): ServerlessFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: "error" });
  if (document.errors.length > 0)
    throw problemsError(
      document.errors.map((error) => syntaxProblem(error, lines)),
      options.file,
    );
  const reading = new Reading(document, options);
  const file = reading.read();
  if (reading.findings.length === 0) return file;
  const problems = reading.findings.map(({ path, message, hint }) => ({
    path: formatPath(path),
    message,
    hint,
    ...place(document, lines, path),
  }));
  throw problemsError(problems, options.file);
}

/** Stands for a value that is not known; why was said. */
const UNKNOWN = Symbol("unknown");

class Reading {
  readonly findings: Finding[] = [];
  readonly #options: ServerlessFileOptions;
  readonly #root: unknown;
  /** Addresses that are being looked up: none may lead to itself. */
  readonly #open: string[] = [];

  constructor(document: Document, options: ServerlessFileOptions) {
    this.#options = options;
    markTags(document);
    this.#root = document.toJS();
  }

  read(): ServerlessFile {
    const service = this.#at(["service"]);
    const name = isMap(service) ? service["name"] : service;
    if (typeof name !== "string" && name !== UNKNOWN)
      this.findings.push({
        path: ["service"],
        message: "is missing",
        hint: OTHER_FORMAT,
      });
    const custom = Object.fromEntries(PARTS.map((part) => [part, this.#at(["custom", part])]).filter(([, value]) => value !== undefined));
    return { service: String(name), stage: this.#stage(), region: this.#region(), custom, written: (path) => stepped(this.#root, path) };
  }

  #stage(): string {
    return this.#options.stage ?? this.#text(this.#at(["provider", "stage"]), DEFAULT_STAGE);
  }

  #region(): string {
    return this.#options.region ?? this.#text(this.#at(["provider", "region"]), DEFAULT_REGION);
  }

  #text(value: unknown, fallback: string): string {
    return typeof value === "string" && value !== "" ? value : fallback;
  }

  /** What stands at a path, with nothing left to replace in it. */
  #at(path: Path): unknown {
    const address = formatPath(path);
    if (this.#open.includes(address)) return this.#unknown(path, `\${self:${address}} leads to itself`, "break the circle");
    this.#open.push(address);
    try {
      let value: unknown = this.#root;
      for (const [depth, step] of path.entries()) {
        if (typeof value === "string") value = this.#replaced(value, path.slice(0, depth));
        if (value === UNKNOWN) return UNKNOWN;
        value = stepped(value, [step]);
      }
      return this.#whole(value, path);
    } finally {
      this.#open.pop();
    }
  }

  #whole(value: unknown, path: Path): unknown {
    const tag = value instanceof Tagged ? value.tag : intrinsicIn(value);
    if (tag !== undefined) return this.#unknown(path, `${tag} is known to CloudFormation alone`, "write the value itself");
    if (typeof value === "string") return this.#replaced(value, path);
    if (Array.isArray(value)) return value.map((item, index) => this.#whole(item, [...path, index]));
    if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#whole(item, [...path, key])]));
    return value;
  }

  /** A text that is one variable becomes what that stands for; among others it must be a text. */
  #replaced(text: string, path: Path): unknown {
    const parts = partsOf(text);
    const [first, ...more] = parts;
    if (first === undefined || (more.length === 0 && first.kind === "text")) return text;
    if (more.length === 0) return this.#variable(first.text, path);
    const values = parts.map((part) => this.#piece(part, path));
    return values.includes(UNKNOWN) ? UNKNOWN : values.join("");
  }

  #piece({ kind, text }: Part, path: Path): string | typeof UNKNOWN {
    const value = kind === "text" ? text : this.#variable(text, path);
    if (value === UNKNOWN || typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    return this.#unknown(path, `\${${text}} is no text`, "use it alone, or name a part of it");
  }

  /** The first of its alternatives that has a value. */
  #variable(body: string, path: Path): unknown {
    for (const alternative of alternativesIn(body)) {
      const value = this.#alternative(alternative, path);
      if (value !== undefined && value !== null) return value;
    }
    return this.#unknown(path, `\${${body}} has no value`, hintFor(body));
  }

  #alternative(text: string, path: Path): unknown {
    const literal = unquoted(text);
    if (literal !== undefined) return literal.value;
    if (partsOf(text).length === 1 && text.startsWith("${")) return this.#replaced(text, path);
    const plain = this.#replaced(text, path);
    if (plain === UNKNOWN) return UNKNOWN;
    const [, source = "", address = ""] = /^(\w+):(.*)$/s.exec(String(plain)) ?? [];
    switch (source) {
      case "self":
        return this.#at(address === "" ? [] : address.split("."));
      case "opt":
        return address === "stage" ? this.#options.stage : address === "region" ? this.#options.region : undefined;
      case "env":
        return this.#options.env[address];
      case "sls":
        return address === "stage" ? this.#stage() : this.#foreign(text, path);
      case "aws":
        return address === "region" ? this.#region() : this.#foreign(text, path);
      case "param":
        return this.#parameter(address);
      default:
        return this.#foreign(text, path);
    }
  }

  /** Serverless 4 has them under `stages` too. */
  #parameter(name: string): unknown {
    const places = [this.#stage(), "default"].flatMap((stage): readonly Path[] => [
      ["params", stage, name],
      ["stages", stage, "params", name],
    ]);
    for (const place of places) {
      const value = this.#at(place);
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  }

  #foreign(text: string, path: Path): typeof UNKNOWN {
    const hint = "write its value, or import what `serverless print --format json` prints";
    return this.#unknown(path, `\${${text}} is replaced by the framework alone`, hint);
  }

  #unknown(path: Path, message: string, hint: string): typeof UNKNOWN {
    const said = this.findings.some((finding) => finding.message === message && formatPath(finding.path) === formatPath(path));
    if (!said) this.findings.push({ path, message, hint });
    return UNKNOWN;
  }
}

function hintFor(body: string): string {
  const [, option] = /^opt:(stage|region)\b/.exec(body) ?? [];
  if (option !== undefined) return `give it: --${option}`;
  const [, variable] = /^env:(\w+)/.exec(body) ?? [];
  return variable === undefined ? "write its value, or a default after a comma" : `set ${variable}, or write a default after a comma`;
}

function stepped(value: unknown, path: Path): unknown {
  let found = value;
  for (const step of path) {
    if (Array.isArray(found)) found = found[Number(step)];
    else found = isMap(found) && Object.hasOwn(found, String(step)) ? found[String(step)] : undefined;
  }
  return found;
}

/** What `!Ref` and the like stand for, in the short form. */
class Tagged {
  readonly tag: string;

  constructor(tag: string) {
    this.tag = tag;
  }
}

/** Tags are put into the values, which anchors and merge keys carry to other places. */
function markTags(document: Document): void {
  visit(document, {
    Value: (_, node) => {
      const { tag, anchor, range } = node;
      if (tag === undefined || !/^![^!]/.test(tag)) return undefined;
      const marked = new Scalar(new Tagged(tag));
      if (range) marked.range = range;
      if (anchor !== undefined) marked.anchor = anchor;
      return marked;
    },
  });
}

/** The same in the long form. */
function intrinsicIn(value: unknown): string | undefined {
  const [key, ...more] = isMap(value) ? Object.keys(value) : [];
  return more.length === 0 && key !== undefined && /^(?:Ref|Fn::\w+)$/.test(key) ? key : undefined;
}

/** Where a finding stands, or what is around it. */
function place(document: Document, lines: LineCounter, path: Path): { readonly line: number; readonly column: number } {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lineOf(lines, node.range[0]);
  }
  return { line: 1, column: 1 };
}

function lineOf(lines: LineCounter, offset: number): { readonly line: number; readonly column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function syntaxProblem({ message, pos }: { readonly message: string; readonly pos: readonly [number, number] }, lines: LineCounter) {
  return {
    path: "",
    message,
    hint: `correct the file, or ${OTHER_FORMAT}`,
    ...lineOf(lines, pos[0]),
  };
}
