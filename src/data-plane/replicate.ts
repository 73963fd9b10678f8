import { hash } from "node:crypto";
import { ReplicationError } from "../domain/error.ts";
import { attributeText, type Hint, type ObjectAttributes, type ObjectState } from "../domain/object.ts";
import { type Destination, destinationKey, needsTags, type Rule, sizeMatches, tagsMatch } from "../domain/rule.ts";
import type { Proof, ReplicaRecord } from "../domain/status.ts";
import type { Transfer, TransferDestination, TransferOutcome, TransferResult, TransferredSource } from "../ports/transfer.ts";

/** One place that one object is wanted at. */
export interface Aim {
  readonly rule: Rule;
  readonly destination: Destination;
}

export type AimOutcome =
  | {
      readonly kind: "copied";
      readonly source: TransferredSource;
      readonly etag: string;
      readonly versionId: string | null;
      readonly proof: Proof;
      readonly notes: readonly string[];
    }
  | { readonly kind: "skipped"; readonly reason: "SourceGone" | "FilteredOut" }
  | { readonly kind: "failed"; readonly error: ReplicationError };

export interface ReplicateRequest {
  readonly key: string;
  /** All with the same source bucket. */
  readonly aims: readonly Aim[];
  readonly hint?: Hint | undefined;
  /** Only what the hint says may be copied; where the source has moved on, that is a failure. */
  readonly isPinned?: boolean | undefined;
  /** As in {@link TransferDestination}. */
  readonly stamp?: string | null | undefined;
  /** Told of an aim as soon as its copy is made, while others may still be under way; the result repeats it. */
  readonly onCopied?: ((index: number, outcome: AimOutcome) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often a source that changes under the copy is read again before the task is left for later. */
const READS = 3;

/**
 * Brings one object, as it now is, to every aim, reading it once. Nothing is taken from the hint but a precondition: where the source has
 * moved on, it is read again and decided again (invariant 2).
 */
export async function replicate(transfer: Transfer, request: ReplicateRequest): Promise<readonly AimOutcome[]> {
  const { aims } = request;
  const first = aims[0];
  if (first === undefined) return [];
  let hint = request.hint;
  for (let reads = 1; ; reads++) {
    const result = await transfer.copy({
      source: first.rule.source,
      key: request.key,
      hint,
      destinations: aims.map((aim) => toDestination(aim, request)),
      ...acceptance(aims),
      onOutcome: (index, outcome, source) => {
        if (outcome.kind === "copied") request.onCopied?.(index, toCopied(outcome, source));
      },
      signal: request.signal,
    });
    if (result.kind !== "changed" || reads === READS || request.isPinned) return toOutcomes(result, aims);
    hint = undefined;
  }
}

function toDestination({ rule, destination }: Aim, { key, stamp }: ReplicateRequest): TransferDestination {
  return {
    bucket: destination.bucket,
    key: destinationKey(destination, key),
    storageClass: destination.storageClass,
    encryption: destination.encryption,
    preserve: rule.preserve,
    stamp,
  };
}

/** Asks to be shown the source first only where a rule's filter needs to see it. */
function acceptance(aims: readonly Aim[]): { accept?: (source: ObjectState) => readonly boolean[]; needTags?: boolean } {
  const needTags = aims.some(({ rule }) => needsTags(rule.filter));
  const needSize = aims.some(({ rule }) => rule.filter.minBytes !== undefined || rule.filter.maxBytes !== undefined);
  if (!needTags && !needSize) return {};
  return { needTags, accept: (source) => aims.map(({ rule }) => accepts(rule, source)) };
}

/** Whether a rule's filter lets the object in, as it was read. */
function accepts(rule: Rule, source: ObjectState): boolean {
  return sizeMatches(rule.filter, source.sizeBytes) && (!needsTags(rule.filter) || tagsMatch(rule.filter, source.attributes.tags ?? {}));
}

function toCopied(outcome: TransferOutcome & { kind: "copied" }, source: TransferredSource): AimOutcome {
  return { ...outcome, source, versionId: outcome.versionId ?? null };
}

function toOutcomes(result: TransferResult, aims: readonly Aim[]): readonly AimOutcome[] {
  switch (result.kind) {
    case "gone":
      return aims.map(() => ({ kind: "skipped", reason: "SourceGone" }));
    case "changed":
      return aims.map(() => ({
        kind: "failed",
        error: new ReplicationError("PreconditionFailed", "the source changed each time it was read"),
      }));
    case "failed":
      return aims.map(() => ({ kind: "failed", error: result.error }));
    case "done":
      return result.outcomes.map((outcome): AimOutcome => {
        if (outcome.kind === "not-accepted") return { kind: "skipped", reason: "FilteredOut" };
        if (outcome.kind === "copied") return toCopied(outcome, result.source);
        if (outcome.kind === "failed") return outcome;
        return { kind: "failed", error: new ReplicationError("PreconditionFailed", "the destination changed while it was written") };
      });
    default:
      return result satisfies never;
  }
}

/** What is known to be at both sides after a copy. */
export function toReplica(outcome: AimOutcome & { kind: "copied" }): ReplicaRecord {
  const { source } = outcome;
  return {
    etag: source.etag,
    versionId: source.versionId ?? null,
    lastModified: source.lastModified,
    attributeHash: attributeHash(source.attributes),
    bytes: source.sizeBytes,
    proof: outcome.proof,
    destinationEtag: outcome.etag,
    destinationVersionId: outcome.versionId,
  };
}

/** Null where the attributes were carried unseen. */
export function attributeHash(attributes: ObjectAttributes | null): string | null {
  return attributes === null ? null : hash("sha256", attributeText(attributes));
}
