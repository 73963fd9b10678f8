import { parentPort, workerData } from "node:worker_threads";
import { toErrorCells, toLedgerError } from "./sqlite-error.ts";
import type { Batch, FromWriter, ToWriter } from "./wire.ts";
import { Writer } from "./writer.ts";

/** The thread that writes: a commit waits for the disk, and the event loop must not. */
function serve(port: NonNullable<typeof parentPort>, writer: Writer): void {
  const tell = (message: FromWriter): void => port.postMessage(message);
  port.on("message", (message: ToWriter) => {
    if ("batch" in message) {
      tell({ reply: JSON.stringify(writer.apply(JSON.parse(message.batch) as Batch)) });
      return;
    }
    writer.close();
    port.close();
  });
  tell({ ready: true });
}

if (parentPort !== null) {
  try {
    serve(parentPort, new Writer((workerData as { readonly path: string }).path));
  } catch (error) {
    const refused: FromWriter = { refused: toErrorCells(toLedgerError(error, "open")) };
    parentPort.postMessage(refused);
    parentPort.close();
  }
}
