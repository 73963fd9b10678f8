import { isReplicationError } from "../domain/error.ts";

/** A value, or why it may not be seen. */
export type Seen<T> = { readonly value: T } | { readonly forbidden: string };

/** Looks, and takes a refusal for an answer. Whatever else goes wrong is thrown. */
export async function seen<T>(look: () => Promise<T>): Promise<Seen<T>> {
  try {
    return { value: await look() };
  } catch (error) {
    if (isReplicationError(error) && (error.code === "AccessDenied" || error.code === "NotImplemented"))
      return { forbidden: error.message };
    throw error;
  }
}

/** Undefined where it may not be seen. */
export function visible<T>(look: Seen<T> | undefined): T | undefined {
  return look !== undefined && "value" in look ? look.value : undefined;
}

export function isForbidden<T>(look: Seen<T> | undefined): look is { readonly forbidden: string } {
  return look !== undefined && "forbidden" in look;
}
