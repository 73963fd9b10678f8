import type { Clock } from "../../ports/clock.ts";
import type { EncryptionKeys } from "../../ports/encryption-keys.ts";
import type { Identity } from "../../ports/identity.ts";
import type { ReplicationConfiguration } from "../../ports/replication-configuration.ts";
import type { HandOver, Problem, Step } from "../change.ts";
import type { NativeBucket, NativePair, Owner } from "../native-pair.ts";

/** A bucket of the config, with what may be done to it. */
export interface WishedBucket {
  readonly bucket: NativeBucket;
  /** It is made where it is missing, with versioning. */
  readonly mayCreate: boolean;
  /** Its versioning is turned on where it is off. */
  readonly mayVersion: boolean;
  /** Rules of ours may stand here, and are brought to what the pairs say, also where no pair begins here any more. */
  readonly isSource: boolean;
  /** KMS keys of its objects as the config names them: ARN, id or alias. Empty: they are found by sampling. */
  readonly kmsKeys: readonly string[];
}

/** What S3 is to replicate by itself when all is done, whatever it does now. */
export interface NativeWish {
  readonly owner: Owner;
  readonly buckets: readonly WishedBucket[];
  /** Everything that is to be there in the end, of the sources among {@link buckets}: what is owned there and not here goes. */
  readonly pairs: readonly NativePair[];
  /** The wish is about everything of this name: sources that no config names any more are found by their roles and cleaned up. */
  readonly isWhole: boolean;
  /** Where the wish is not whole: of those sources it is about these. */
  readonly orphans?: ((source: NativeBucket) => boolean) | undefined;
  /** Foreign rules of the older schema are put into the newer one. */
  readonly convertV1: boolean;
  /** Foreign rules go. */
  readonly replace: boolean;
  /** How long IAM is given before what was changed there is used; milliseconds. */
  readonly propagationMs: number;
}

/** The services at a bucket's place. Each always gives the same port for the same bucket. */
export interface NativePorts {
  readonly configurationOf: (bucket: NativeBucket) => Promise<ReplicationConfiguration>;
  /** With the credentials of the bucket's store. */
  readonly identityOf: (bucket: NativeBucket) => Promise<Identity>;
  /** Of the bucket's region, with the credentials of its store. */
  readonly keysOf: (bucket: NativeBucket) => Promise<EncryptionKeys>;
  readonly clock: Clock;
}

/** What a plan says, and whose documents and roles its steps change. */
export interface NativePlan {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
  readonly handOvers: readonly HandOver[];
  /** Sources that nobody else may change meanwhile. */
  readonly contested: readonly NativeBucket[];
  /** Pairs whose rule does not stand yet: what is there already waits for a backfill. */
  readonly created: readonly NativePair[];
}
