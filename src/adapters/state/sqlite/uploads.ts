import type { DatabaseSync } from "node:sqlite";
import type { BoundUpload, UploadPlace, Uploads } from "../../../ports/uploads.ts";
import { type Cell, Query } from "./cells.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { NoteName } from "./notes.ts";
import { toLedgerError } from "./sqlite-error.ts";
import { NOTE } from "./wire.ts";

const COLUMNS = "source, key, destination, destination_key, upload_id, pin, memo";
type UploadCells = readonly [
  source: string,
  key: string,
  destination: string,
  destinationKey: string,
  uploadId: string,
  pin: string,
  memo: string,
];

export interface SqliteUploadsParts {
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
}

/** Writes with the commits of the tasks, reads on this thread. */
export class SqliteUploads implements Uploads {
  readonly #commits: GroupCommit;
  readonly #bound: Query<UploadCells>;
  readonly #all: Query<UploadCells>;

  constructor({ db, commits }: SqliteUploadsParts) {
    this.#commits = commits;
    const where = "source = ? AND key = ? AND destination = ? AND destination_key = ?";
    this.#bound = new Query(db, `SELECT ${COLUMNS} FROM upload WHERE ${where}`);
    this.#all = new Query(db, `SELECT ${COLUMNS} FROM upload ORDER BY source, key, destination, destination_key`);
  }

  async bound(place: UploadPlace): Promise<BoundUpload | undefined> {
    const cells = reading(() => this.#bound.get(...placeCells(place)));
    return cells === undefined ? undefined : fromCells(cells);
  }

  async bind(upload: BoundUpload): Promise<void> {
    await this.#write("bindUpload", ...placeCells(upload), upload.uploadId, upload.pin, upload.memo);
  }

  async release(upload: BoundUpload): Promise<void> {
    await this.#write("releaseUpload", ...placeCells(upload), upload.uploadId);
  }

  async all(): Promise<readonly BoundUpload[]> {
    return reading(() => this.#all.all()).map(fromCells);
  }

  #write(name: NoteName, ...parameters: readonly Cell[]): Promise<void> {
    return this.#commits.submit([[NOTE, name, parameters]], () => undefined);
  }
}

function placeCells({ source, key, destination, destinationKey }: UploadPlace): readonly [string, string, string, string] {
  return [source, key.toWellFormed(), destination, destinationKey.toWellFormed()];
}

function fromCells([source, key, destination, destinationKey, uploadId, pin, memo]: UploadCells): BoundUpload {
  return { source, key, destination, destinationKey, uploadId, pin, memo };
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toLedgerError(error, "uploads");
  }
}
