import { bucketArn, type NativeBucket, type NativePair, type Owner } from "../../src/provisioning/native-pair.ts";

export const ACCOUNT = "111111111111";
export const OTHER_ACCOUNT = "222222222222";

export interface Place {
  readonly region?: string;
  readonly partition?: string;
  readonly account?: string;
}

export function nativeBucket(bucket: string, { region = "eu-west-1", partition = "aws", account = ACCOUNT }: Place = {}): NativeBucket {
  return { id: `s3://${partition}/${region}/${bucket}`, name: `aws:${bucket}`, bucket, region, partition, account };
}

export function nativePair(source: NativeBucket, destination: NativeBucket, more: Partial<NativePair> = {}): NativePair {
  return {
    rule: "photos",
    destinationId: destination.name,
    source,
    destination,
    enabled: true,
    prefix: "",
    tags: {},
    deleteMarkers: false,
    isTwoWay: false,
    replicationTime: false,
    ownerOverride: false,
    ...more,
  };
}

export function nativeOwner(name: string, more: Partial<Owner> = {}): Owner {
  return { name, path: `/replicast/${name}/`, tags: {}, ...more };
}

/** A role of the source's account. */
export function roleArn({ partition, account }: NativeBucket, name = "acme-photos-0123456789"): string {
  return `arn:${partition}:iam::${account}:role/replicast/acme/${name}`;
}

/** A key that belongs where the bucket is. */
export function keyArn({ partition, region, account }: NativeBucket, digit = "1"): string {
  return `arn:${partition}:kms:${region}:${account}:key/${digit.repeat(8)}-1111-2222-3333-444444444444`;
}

export function objectArn(bucket: NativeBucket, key = "a/b.txt"): string {
  return `${bucketArn(bucket)}/${key}`;
}
