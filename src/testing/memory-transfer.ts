import type { Bucket } from "../domain/bucket.ts";
import { isReplicationError, ReplicationError, toReplicationError } from "../domain/error.ts";
import type { ObjectAttributes } from "../domain/object.ts";
import { STAMP_NAME } from "../domain/stamp.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Transfer, TransferDestination, TransferOutcome, TransferRequest, TransferResult } from "../ports/transfer.ts";

/** What a copy is to end with instead of being made; undefined lets it be made. */
export type TransferPlan = (request: TransferRequest, calls: number) => TransferResult | Promise<TransferResult | undefined> | undefined;

/** Moves objects between in-memory stores and remembers what it was asked for. */
export class MemoryTransfer implements Transfer {
  readonly requests: TransferRequest[] = [];
  readonly #storeOf: (bucket: Bucket) => ObjectStore;
  readonly #plan: TransferPlan;

  constructor(storeOf: (bucket: Bucket) => ObjectStore, plan: TransferPlan = () => undefined) {
    this.#storeOf = storeOf;
    this.#plan = plan;
  }

  async copy(request: TransferRequest): Promise<TransferResult> {
    this.requests.push(request);
    const planned = await this.#plan(request, this.requests.length);
    if (planned !== undefined) return planned;
    if (request.signal?.aborted === true) return { kind: "failed", error: new ReplicationError("Aborted", "the copy was interrupted") };
    const found = await this.#storeOf(request.source).get(request.key, { versionId: request.versionId });
    if (found === undefined) return { kind: "gone" };
    if (request.hint?.etag !== undefined && request.hint.etag !== found.state.etag) return { kind: "changed" };
    const accepted = request.accept?.(found.state) ?? request.destinations.map(() => true);
    const write = (destination: TransferDestination, i: number) =>
      accepted[i] === true ? this.#write(destination, found) : ({ kind: "not-accepted" } as const);
    const outcomes = await Promise.all(request.destinations.map(write));
    const { etag, sizeBytes, lastModified, versionId } = found.state;
    const attributes = stamped(found.state.attributes, null);
    return { kind: "done", source: { etag, sizeBytes, lastModified, versionId, attributes }, outcomes };
  }

  async #write(
    { bucket, key, ifHolds, stamp }: TransferDestination,
    found: NonNullable<Awaited<ReturnType<ObjectStore["get"]>>>,
  ): Promise<TransferOutcome> {
    try {
      const attributes = stamped(found.state.attributes, stamp);
      const condition = ifHolds === null ? ({ ifNoneMatch: "*" } as const) : { ifMatch: ifHolds };
      const { etag, versionId } = await this.#storeOf(bucket).put(key, found.body, { attributes, ...condition });
      return { kind: "copied", etag, versionId, proof: "etag", notes: [] };
    } catch (error) {
      if (ifHolds !== undefined && isReplicationError(error) && error.code === "PreconditionFailed") return { kind: "moved-on" };
      return { kind: "failed", error: toReplicationError(error) };
    }
  }
}

function stamped(attributes: ObjectAttributes, stamp: string | null | undefined): ObjectAttributes {
  if (stamp === undefined) return attributes;
  const { [STAMP_NAME]: _, ...metadata } = attributes.metadata;
  return { ...attributes, metadata: stamp === null ? metadata : { ...metadata, [STAMP_NAME]: stamp } };
}
