import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ERROR_CODES, type ErrorCode } from "../src/domain/error.ts";

/** What a code means and what to do, in words for a person. */
interface Description {
  readonly meaning: string;
  readonly hint: string;
}

/** A code that is not described here does not compile. */
const DESCRIPTIONS: Readonly<Record<ErrorCode, Description>> = {
  AccessDenied: {
    meaning: "A store refused the request: the credentials may not do this here.",
    hint: "Compare the policy of the credentials with the table of permissions in SECURITY.md. The message names operation, bucket and key.",
  },
  Aborted: {
    meaning: "The request was broken off because the process is stopping.",
    hint: "Nothing to do: the task waits and the next run takes it up.",
  },
  ApplyLocked: {
    meaning: "Another `apply` is changing the replication of the same bucket.",
    hint: "Wait for it, or raise `--lock-timeout`. Its lock ends by itself after ten minutes.",
  },
  ArchivedObject: {
    meaning: "The source object is in an archive class and cannot be read.",
    hint: "Restore the object at the source. The next sync then copies it.",
  },
  BadDigest: {
    meaning: "The destination received other bytes than were announced and stored nothing.",
    hint: "It is tried again. If it stays, look for a proxy or a disk that changes bytes.",
  },
  BeingWritten: {
    meaning: "A write to the same key of an interior bucket was announced and its end is not known yet, usually after a crash.",
    hint: "Nothing to do: it is tried again as soon as that write can no longer be on its way.",
  },
  BucketChanged: {
    meaning: "A bucket is not the one it was before. Reserved: nothing in this version reports it.",
    hint: "Check whether the bucket was removed and made again.",
  },
  CapabilityMissing: {
    meaning: "A store or bucket lacks what the rule needs, such as versioning or conditional deletes. The message says what.",
    hint: "Turn on what the message names, change the rule, or use another store.",
  },
  ChecksumMismatch: {
    meaning: "The replica's ETag or two reads of the source disagree with what was sent.",
    hint: "It is tried again. If it stays, check the memory, disks and proxies between the stores.",
  },
  ConfigInvalid: {
    meaning: "The config or the command line cannot be used as it is. Exit code 2.",
    hint: "Each problem is printed with its line and what to write instead. `replicast validate` checks without starting anything.",
  },
  Draining: {
    meaning: "The process is stopping and takes nothing more in.",
    hint: "Send it again later; a queue does so by itself.",
  },
  EntityTooLarge: {
    meaning: "A store refused the size of an object, or a webhook message was larger than 1 MiB.",
    hint: "Check the store's size limits. For events: send fewer records in one message.",
  },
  Internal: {
    meaning: "Something that nobody expected: a bug until proven otherwise.",
    hint: "Run the command again with `-v`, which prints the stack, and report it.",
  },
  InvalidAccessKeyId: {
    meaning: "The store does not know the access key, a temporary one has expired, or no credentials were found.",
    hint: "Check `credentials` of the store, or the environment and profile that the default chain reads.",
  },
  InvalidRequest: {
    meaning: "A store or the API does not accept the request.",
    hint: "Read the message: it holds what the other side said.",
  },
  InvalidStorageClass: {
    meaning: "The destination does not know the storage class. Where it can be left out, the replica is written without it and noted.",
    hint: "Set `storageClass` on the destination to one it has, or `preserve: { storageClass: false }`.",
  },
  InvalidTag: {
    meaning: "The destination refuses a tag of the object. Where possible the replica is written without tags and noted.",
    hint: "Use tags that both stores accept, or set `preserve: { tags: false }`.",
  },
  KeyNotRepresentable: {
    meaning: "The destination would rewrite, hide or refuse this key, so it was not written.",
    hint: "Rename the object, or replicate it to a store that keeps such keys.",
  },
  LeaseLost: {
    meaning: "A worker's claim on a task has passed on. Reserved: with one daemon its outcome is dropped without this error.",
    hint: "Nothing to do: the task runs again.",
  },
  LedgerCorrupt: {
    meaning: "The state file is damaged, or is a file of another program. Nothing was written to it.",
    hint: "Move it away and restore a backup. Without one, start with a new file: the first sync adopts what is equal.",
  },
  LedgerLocked: {
    meaning: "Another process works on this state file. The message names it.",
    hint: "Stop that process, or ask it with `--server` where the command can.",
  },
  LedgerUnavailable: {
    meaning: "The state file cannot be opened, read or written: not there yet, rights, full disk, or written by a newer version.",
    hint: "The message says which. Events are refused with 503 meanwhile; work goes on when the file can be used again.",
  },
  ListingOutOfOrder: {
    meaning: "A store does not list its keys in the order of their UTF-8 bytes, so buckets cannot be compared. Nothing was concluded.",
    hint: "Events of this store are still replicated; the failing comparison is repeated, at most every five minutes. Do not rely on verify or sync here.",
  },
  MalformedEvent: {
    meaning: "An event message is not JSON.",
    hint: "Check what sends to `/events/<store>` or to the queue.",
  },
  MalformedResponse: {
    meaning: "A store's answer cannot be understood, such as a 200 without an ETag.",
    hint: "It is tried again. If it stays, something between the stores may rewrite answers.",
  },
  MetadataTooLarge: {
    meaning: "The destination holds less user metadata than the object has.",
    hint: "Shorten the object's metadata; S3 allows 2 KB.",
  },
  NoSuchBucket: {
    meaning: "A bucket does not exist, or the API was asked about one that no rule names.",
    hint: "Create the bucket or correct its name. `apply` creates destinations where the rule says `createBuckets: true`.",
  },
  NoSuchKey: {
    meaning: "An object is not there. A source object that is gone is not an error: its task ends SKIPPED with `SourceGone`.",
    hint: "Look whether something else removes objects while they are copied.",
  },
  NoSuchUpload: {
    meaning: "A multipart upload vanished before it was completed.",
    hint: "It is tried again. Check that lifecycle rules leave uploads alone for at least a day.",
  },
  NoSuchVersion: {
    meaning: "An object version is not there any more.",
    hint: "Nothing to do: the next event or sync decides on what is there then.",
  },
  NotImplemented: {
    meaning: "A store does not know this operation.",
    hint: "Check docs/compatibility.md. Turn off what the store lacks, such as `preserve.tags`.",
  },
  NotReplicated: {
    meaning: "S3's own replication did not bring the object over, and will not by itself. The row's reason is S3's own word for it.",
    hint: "Mend what the reason names; `failures redrive` then lets it be tried once more, and `apply --backfill` replicates what was there before.",
  },
  OutOfOrder: {
    meaning:
      "With `versions: all`, a version is older than one that the destination has already. On top it would become the current one, so it was not written.",
    hint: "Nothing newer is affected. To have the whole history, replicate into an empty bucket or prefix; the older version can be read at the source.",
  },
  Overloaded: {
    meaning: "Too many changes wait to be written to the state. Events are answered with 503 and nothing is lost that the sender repeats.",
    hint: "Put the state file on a faster disk, or send events through a queue.",
  },
  PreconditionFailed: {
    meaning: "An object changed while it was being copied.",
    hint: "It is tried again with what is there then.",
  },
  RequestTimeout: {
    meaning: "A store or a connection took too long.",
    hint: "It is tried again. Check the network; lower `limits.concurrency` if the store is overloaded.",
  },
  RequestTimeTooSkewed: {
    meaning: "The clocks of this machine and of the store differ too much for signatures.",
    hint: "Set the clock by NTP on both.",
  },
  SignatureDoesNotMatch: {
    meaning: "The store computed another signature.",
    hint: "Check the secret key and `region` of the store, and that no proxy rewrites paths or headers.",
  },
  SlowDown: {
    meaning: "A store asked for fewer requests, or is not available for the moment.",
    hint: "It is tried again later. Set `limits.requestsPerSecond` on the store, or lower `limits.concurrency`.",
  },
  SourceUnreadableTags: {
    meaning: "The tags of the source may not be read, so a copy could lose them in silence. It was not made.",
    hint: "Grant `s3:GetObjectTagging` on the source, or set `preserve: { tags: false }`.",
  },
  StoreError: {
    meaning: "A store failed on its side (5xx).",
    hint: "It is tried again. Look into the store's own log.",
  },
  StoreUnreachable: {
    meaning: "No connection to a store (or, for commands with `--server`, to the daemon).",
    hint: "Check the endpoint, that it runs, and that this machine can reach it.",
  },
};

const FILE = join(import.meta.dirname, "..", "docs", "errors.md");

const INTRODUCTION = `# Errors

This page is generated from the error catalogue by \`npm run docs\`. Do not edit it by hand.

Errors keep S3's own name where S3 has one. The same code appears in command output, in \`error.code\` of JSON documents, in the log, and in
HTTP answers. Commands print \`error: …\` and \`try: …\`.

The second column says what the daemon does with an object:

- **retry**: tried again with growing pauses, up to \`retry.maxAttempts\` times, then FAILED.
- **permanent**: FAILED at once. A new event for the key or the next sync tries again.

Any 5xx answer of a store other than 501 is treated as \`retry\`, whatever its name.
`;

function toMarkdown(): string {
  const rows = codes().map((code) => {
    const { meaning, hint } = DESCRIPTIONS[code];
    return `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${ERROR_CODES[code]} | ${meaning} | ${hint} |`;
  });
  return `${INTRODUCTION}\n| code | kind | meaning | what to do |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

function codes(): readonly ErrorCode[] {
  return (Object.keys(ERROR_CODES) as ErrorCode[]).toSorted();
}

function main(args: readonly string[]): number {
  const unknown = args.filter((arg) => arg !== "--check");
  if (unknown.length > 0) {
    console.error(`error: unknown option ${unknown.join(", ")}\ntry: node scripts/docs.ts --check`);
    return 2;
  }
  const text = toMarkdown();
  if (!args.includes("--check")) {
    writeFileSync(FILE, text);
    return 0;
  }
  if (current() === text) return 0;
  console.error("error: docs/errors.md is stale\ntry: npm run docs");
  return 1;
}

/** What the file holds now; undefined where there is none. */
function current(): string | undefined {
  try {
    return readFileSync(FILE, "utf8");
  } catch {
    return undefined;
  }
}

process.exitCode = main(process.argv.slice(2));
