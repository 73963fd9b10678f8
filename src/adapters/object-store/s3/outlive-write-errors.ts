import type { Socket } from "node:net";

type Written = (error?: Error | null) => void;

/**
 * Keeps a socket readable after a write has failed: `onError` is told, nothing more is sent, and the socket ends when reading finds its end.
 *
 * A server that refuses a body answers and hangs up while the body is on its way, and that resets the connection. The answer waits in the kernel
 * by then, but Node destroys a socket whose write fails before it looks for something to read. A write that is never called back cannot fail.
 */
export function outliveWriteErrors(socket: Socket, onError: (error: Error) => void = () => {}): void {
  const { _write: write, _writev: writev } = socket;
  const guarded =
    (written: Written): Written =>
    (error) => {
      if (error === null || error === undefined || socket.destroyed) written(error);
      else onError(error);
    };
  socket._write = (chunk, encoding, written) => write.call(socket, chunk, encoding, guarded(written));
  socket._writev = (chunks, written) => writev?.call(socket, chunks, guarded(written));
}
