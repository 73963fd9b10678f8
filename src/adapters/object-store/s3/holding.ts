import type { Semaphore } from "../../../lib/semaphore.ts";

/** Runs work that holds a permit until it says that it needs it no longer, and at the latest until it ends. */
export async function holding<T>(gate: Semaphore, work: (letGo: () => void) => Promise<T>): Promise<T> {
  await gate.acquire();
  let isHeld = true;
  const letGo = (): void => {
    if (isHeld) gate.release();
    isHeld = false;
  };
  try {
    return await work(letGo);
  } finally {
    letGo();
  }
}
