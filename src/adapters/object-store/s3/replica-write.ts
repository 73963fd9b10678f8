import type { ReplicationError } from "../../../domain/error.ts";
import type { ObjectAttributes } from "../../../domain/object.ts";
import type { TransferDestination } from "../../../ports/transfer.ts";
import type { BucketFacts } from "./bucket-facts.ts";
import { toRequestHeaders } from "./headers.ts";

/** What a source object gives to its replicas. */
export interface ReplicaContent {
  readonly attributes: ObjectAttributes;
  readonly storageClass: string | undefined;
}

/** One replica about to be written: where, with what, and what had to be left out. */
export class ReplicaWrite {
  readonly index: number;
  readonly destination: TransferDestination;
  readonly facts: BucketFacts;
  readonly notes: Set<string> = new Set();
  #withoutTags = false;
  #askedClass: string | undefined;

  constructor(index: number, destination: TransferDestination, facts: BucketFacts) {
    this.index = index;
    this.destination = destination;
    this.facts = facts;
  }

  /** Request headers that give the replica everything it can hold. */
  headers(content: ReplicaContent): Record<string, string> {
    const tags = this.keepsTags ? content.attributes.tags : undefined;
    const headers = toRequestHeaders({ ...content.attributes, tags });
    const storageClass = this.storageClass(content.storageClass);
    if (storageClass !== undefined) headers["x-amz-storage-class"] = storageClass;
    return headers;
  }

  /** Whether the replica gets the source's tags. */
  get keepsTags(): boolean {
    return this.destination.preserve.tags && !this.#withoutTags;
  }

  /** The class the replica is to have: the one given to the destination, else the source's where it is kept and the store knows it. */
  storageClass(ofSource: string | undefined): string | undefined {
    const wanted = this.destination.storageClass ?? (this.destination.preserve.storageClass ? ofSource : undefined);
    const refused = wanted !== undefined && this.facts.refusedStorageClasses.has(wanted);
    if (refused) this.notes.add("StorageClassNotKept");
    this.#askedClass = refused ? undefined : wanted;
    return this.#askedClass;
  }

  /** Is true where the error names something that the replica can be written without, with a note: then write again. */
  canDoWithout(error: ReplicationError): boolean {
    if (error.code === "InvalidTag" && !this.#withoutTags) {
      this.#withoutTags = true;
      this.notes.add("TagsNotKept");
      return true;
    }
    // Judged by what this write asked for: another one may have learned of the refusal while this one was under way.
    if (error.code !== "InvalidStorageClass" || this.#askedClass === undefined) return false;
    this.facts.refusedStorageClasses.add(this.#askedClass);
    this.#askedClass = undefined;
    return true;
  }
}
