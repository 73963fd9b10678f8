import type { BoundUpload, UploadPlace, Uploads } from "../../ports/uploads.ts";
import { emptyRows, type Memory } from "./rows.ts";

/** By itself where it is given no rows to share. */
export class MemoryUploads implements Uploads {
  readonly #memory: Pick<Memory, "rows">;

  constructor(memory: Pick<Memory, "rows"> = { rows: emptyRows() }) {
    this.#memory = memory;
  }

  async bound(place: UploadPlace): Promise<BoundUpload | undefined> {
    return this.#memory.rows.uploads.get(textOf(place));
  }

  async bind(upload: BoundUpload): Promise<void> {
    this.#memory.rows.uploads.set(textOf(upload), upload);
  }

  async release(upload: BoundUpload): Promise<void> {
    const { uploads } = this.#memory.rows;
    if (uploads.get(textOf(upload))?.uploadId === upload.uploadId) uploads.delete(textOf(upload));
  }

  async all(): Promise<readonly BoundUpload[]> {
    return [...this.#memory.rows.uploads.values()];
  }
}

function textOf({ source, key, destination, destinationKey }: UploadPlace): string {
  return JSON.stringify([source, key, destination, destinationKey]);
}
