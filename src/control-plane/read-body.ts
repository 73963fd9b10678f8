/**
 * Reads a body of at most `maxBytes`; undefined where it is larger, of which no more is read than it takes to know.
 *
 * Rejects where the other side stops in the middle.
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  const length = request.headers.get("content-length");
  if (length === null || !/^\d+$/.test(length)) return readStream(request.body, maxBytes);
  if (Number(length) > maxBytes) return undefined;
  // The HTTP server holds the body to the length that was announced, so it can be read in one piece.
  const bytes = new Uint8Array(await request.arrayBuffer());
  return bytes.byteLength > maxBytes ? undefined : bytes;
}

async function readStream(stream: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of stream ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}
