/** Where a copy in parts leads. At most one upload is bound to a place. */
export interface UploadPlace {
  /** Id of the source's bucket. */
  readonly source: string;
  readonly key: string;
  /** Id of the destination's bucket. */
  readonly destination: string;
  readonly destinationKey: string;
}

/** An upload that the next attempt may go on with, and all it has to know of it that the stores do not tell. */
export interface BoundUpload extends UploadPlace {
  readonly uploadId: string;
  /** Stands for what the upload is of: state of the source, layout of the parts, all that the replica gets. Another text: not this one. */
  readonly pin: string;
  /** What whoever began it notes for whoever completes it; text that JSON can carry. */
  readonly memo: string;
}

/** Uploads in parts, each bound before its first part. What has no row is never gone on with. */
export interface Uploads {
  bound(place: UploadPlace): Promise<BoundUpload | undefined>;

  /** Makes the upload the one of its place, instead of any before it: on return a crash can no longer lose it. */
  bind(upload: BoundUpload): Promise<void>;

  /** Forgets an upload that has ended; one that took its place stays. */
  release(upload: BoundUpload): Promise<void>;

  /** All that are bound: as many as copies in parts were broken off or are under way. */
  all(): Promise<readonly BoundUpload[]>;
}
