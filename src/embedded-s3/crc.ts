import { crc32 } from "node:zlib";

/** A checksum in the making: takes bytes in order, gives the value once. */
export interface Digest {
  update(chunk: Uint8Array): unknown;
  digest(): Buffer;
}

/** CRC-32 as zlib, PNG and S3's `crc32` know it, big-endian. */
export function createCrc32(): Digest {
  let crc = 0;
  return {
    update: (chunk) => {
      crc = crc32(chunk, crc);
    },
    digest: () => bigEndian([crc]),
  };
}

/** Eight bytes at a time, each by a table of its own, so that the look-ups do not wait for one another. https://create.stephan-brumme.com/crc32/ */
const SLICES = 8;
const BYTE_VALUES = 256;

/** Reflected Castagnoli polynomial. https://www.rfc-editor.org/rfc/rfc3720#section-12.1 */
const CRC32C_POLYNOMIAL = 0x82f63b78;
let crc32cTables: Int32Array | undefined;

/** CRC-32C (Castagnoli), big-endian. */
export function createCrc32c(): Digest {
  crc32cTables ??= buildCrc32cTables();
  const tables = crc32cTables;
  let crc = -1;
  return {
    update: (chunk) => {
      crc = updateCrc32c(tables, crc, chunk);
    },
    digest: () => bigEndian([~crc]),
  };
}

function updateCrc32c(tables: Int32Array, before: number, bytes: Uint8Array): number {
  const at = (table: number, byte: number) => tables[(table << 8) | (byte & 0xff)] as number;
  const whole = bytes.length - (bytes.length % SLICES);
  let crc = before;
  let i = 0;
  for (; i < whole; i += SLICES) {
    const a = crc ^ word(bytes, i);
    const b = word(bytes, i + 4);
    crc = at(7, a) ^ at(6, a >>> 8) ^ at(5, a >>> 16) ^ at(4, a >>> 24) ^ at(3, b) ^ at(2, b >>> 8) ^ at(1, b >>> 16) ^ at(0, b >>> 24);
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ at(0, crc ^ (bytes[i] as number));
  return crc;
}

function buildCrc32cTables(): Int32Array {
  const tables = new Int32Array(SLICES * BYTE_VALUES);
  for (let byte = 0; byte < BYTE_VALUES; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC32C_POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let index = BYTE_VALUES; index < tables.length; index++) {
    const previous = tables[index - BYTE_VALUES] as number;
    tables[index] = (previous >>> 8) ^ (tables[previous & 0xff] as number);
  }
  return tables;
}

/** Reflected NVMe polynomial, in halves because a number has 53 bits. https://nvmexpress.org/specifications/ */
const CRC64_HIGH = 0x9a6c9329;
const CRC64_LOW = 0xac4bc9b5;
let crc64Tables: Crc64Tables | undefined;

interface Crc64Tables {
  readonly high: Int32Array;
  readonly low: Int32Array;
}

interface Crc64State {
  high: number;
  low: number;
}

/** CRC-64/NVME, big-endian. */
export function createCrc64Nvme(): Digest {
  crc64Tables ??= buildCrc64Tables();
  const tables = crc64Tables;
  const state: Crc64State = { high: -1, low: -1 };
  return {
    update: (chunk) => updateCrc64(tables, state, chunk),
    digest: () => bigEndian([~state.high, ~state.low]),
  };
}

function updateCrc64({ high, low }: Crc64Tables, state: Crc64State, bytes: Uint8Array): void {
  const fold = (half: Int32Array, l: number, h: number): number =>
    (half[0x700 | (l & 0xff)] as number) ^
    (half[0x600 | ((l >>> 8) & 0xff)] as number) ^
    (half[0x500 | ((l >>> 16) & 0xff)] as number) ^
    (half[0x400 | (l >>> 24)] as number) ^
    (half[0x300 | (h & 0xff)] as number) ^
    (half[0x200 | ((h >>> 8) & 0xff)] as number) ^
    (half[0x100 | ((h >>> 16) & 0xff)] as number) ^
    (half[h >>> 24] as number);
  const whole = bytes.length - (bytes.length % SLICES);
  let h = state.high;
  let l = state.low;
  let i = 0;
  for (; i < whole; i += SLICES) {
    const a = l ^ word(bytes, i);
    const b = h ^ word(bytes, i + 4);
    h = fold(high, a, b);
    l = fold(low, a, b);
  }
  for (; i < bytes.length; i++) {
    const index = (l ^ (bytes[i] as number)) & 0xff;
    l = ((l >>> 8) | (h << 24)) ^ (low[index] as number);
    h = (h >>> 8) ^ (high[index] as number);
  }
  state.high = h;
  state.low = l;
}

function buildCrc64Tables(): Crc64Tables {
  const high = new Int32Array(SLICES * BYTE_VALUES);
  const low = new Int32Array(SLICES * BYTE_VALUES);
  for (let byte = 0; byte < BYTE_VALUES; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = ((l >>> 1) | (h << 31)) ^ (odd ? CRC64_LOW : 0);
      h = (h >>> 1) ^ (odd ? CRC64_HIGH : 0);
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let index = BYTE_VALUES; index < high.length; index++) {
    const h = high[index - BYTE_VALUES] as number;
    const l = low[index - BYTE_VALUES] as number;
    high[index] = (h >>> 8) ^ (high[l & 0xff] as number);
    low[index] = ((l >>> 8) | (h << 24)) ^ (low[l & 0xff] as number);
  }
  return { high, low };
}

/** Four bytes from `i` on, little-endian. */
function word(bytes: Uint8Array, i: number): number {
  return (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24);
}

function bigEndian(words: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * words.length);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, 4 * index);
  return bytes;
}
