import { PutBucketNotificationConfigurationCommand } from "@aws-sdk/client-s3";
import { connect } from "./sdk.ts";
import type { S3Endpoint } from "./server.ts";
import { waitFor } from "./wait-for.ts";

/** Sends the object events of a bucket to a target that the server already knows. */
export async function notify(server: S3Endpoint, bucket: string, arn: string): Promise<void> {
  using client = connect(server);
  const ask = new PutBucketNotificationConfigurationCommand({
    Bucket: bucket,
    NotificationConfiguration: { QueueConfigurations: [{ QueueArn: arn, Events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] }] },
  });
  // MinIO says that it is ready a moment before it knows its targets.
  await waitFor(`the target ${arn} to be known`, async () => (await client.s3.send(ask)) !== undefined);
}
