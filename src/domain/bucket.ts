/** A bucket after the config has been resolved: found in its store, printed one way, keyed one way. */
export interface Bucket {
  /** Keys every row: `s3://<host[:port] | partition/region>/<bucket>`. Renaming an alias does not change it. */
  readonly id: string;
  /** What people read: `alias:bucket`, or the URL it was named by. */
  readonly name: string;
  /** The alias of its store in the config, or the origin of the URL it was named by. */
  readonly store: string;
  readonly bucket: string;
}

/** Builds the canonical id of a bucket from the place its store answers at. */
export function canonicalBucketId(place: string, bucket: string): string {
  return `s3://${place}/${bucket}`;
}

/** Where a store answers: its host and port, or the partition and region for AWS itself. */
export function canonicalPlace(endpoint: string | undefined, region: string): string {
  if (endpoint !== undefined) return new URL(endpoint).host;
  return `${partitionOf(region)}/${region}`;
}

/** The AWS partition of a region. https://docs.aws.amazon.com/general/latest/gr/rande.html */
export function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  if (region.startsWith("us-gov-")) return "aws-us-gov";
  return "aws";
}
