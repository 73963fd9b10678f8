import type { Bucket } from "../domain/bucket.ts";
import { ReplicationError, toReplicationError } from "../domain/error.ts";
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
    const found = await this.#storeOf(request.source).get(request.key);
    if (found === undefined) return { kind: "gone" };
    if (request.hint?.etag !== undefined && request.hint.etag !== found.state.etag) return { kind: "changed" };
    const accepted = request.accept?.(found.state) ?? request.destinations.map(() => true);
    const write = (destination: TransferDestination, i: number) =>
      accepted[i] === true ? this.#write(destination, found) : ({ kind: "not-accepted" } as const);
    const outcomes = await Promise.all(request.destinations.map(write));
    const { etag, sizeBytes, lastModified, attributes } = found.state;
    return { kind: "done", source: { etag, sizeBytes, lastModified, attributes }, outcomes };
  }

  async #write(
    { bucket, key }: TransferDestination,
    found: NonNullable<Awaited<ReturnType<ObjectStore["get"]>>>,
  ): Promise<TransferOutcome> {
    try {
      const { etag } = await this.#storeOf(bucket).put(key, found.body, { attributes: found.state.attributes });
      return { kind: "copied", etag, proof: "etag", notes: [] };
    } catch (error) {
      return { kind: "failed", error: toReplicationError(error) };
    }
  }
}
