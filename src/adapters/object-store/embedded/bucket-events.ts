import type { EmbeddedS3Model } from "../../../embedded-s3/model.ts";

/**
 * Hands over every change of a model as the JSON text of an S3 notification, before the call that made the change returns, so that events go
 * through the same parser as a real store's. Returns what stops it.
 */
export function onBucketEvent(model: EmbeddedS3Model, listener: (notification: string) => void): () => void {
  return model.onEvent((record) => listener(JSON.stringify({ Records: [record] })));
}
