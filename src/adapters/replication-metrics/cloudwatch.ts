import type * as CloudWatch from "@aws-sdk/client-cloudwatch";
import { type ErrorCode, isReplicationError, ReplicationError } from "../../domain/error.ts";
import { type AwsClientOptions, clientSettings } from "../../lib/aws-client.ts";
import { toRefusal } from "../../lib/aws-refusal.ts";
import type { ReplicationMetrics, RuleMetrics } from "../../ports/replication-metrics.ts";

export interface ReplicationMetricsOptions extends AwsClientOptions {
  /** Of the source bucket, where S3 tells of what failed. */
  readonly region: string;
  /**
   * Of the destination bucket, where S3 tells of what is pending, still in the source's account.
   * @defaultValue the source's
   */
  readonly destinationRegion?: string | undefined;
}

/** Loads the SDK and builds clients for the rules of two regions. Sends nothing. */
export async function openReplicationMetrics(options: ReplicationMetricsOptions): Promise<ReplicationMetrics> {
  const sdk = await import("@aws-sdk/client-cloudwatch");
  const { region, destinationRegion = region } = options;
  const clientIn = (place: string) => new sdk.CloudWatchClient(clientSettings({ ...options, region: place }));
  return new CloudWatchReplicationMetrics(sdk, clientIn(region), clientIn(destinationRegion));
}

type RuleName = Parameters<ReplicationMetrics["latest"]>[0];

interface Wanted {
  readonly id: string;
  readonly metric: string;
  readonly stat: "Maximum" | "Sum";
  readonly periodSeconds: number;
}

const WINDOW_SECONDS = 900;
const MINUTE_SECONDS = 60;

/** Those of the destination's region: each minute's own. */
const PENDING = {
  operations: { id: "operations", metric: "OperationsPendingReplication", stat: "Maximum", periodSeconds: MINUTE_SECONDS },
  bytes: { id: "bytes", metric: "BytesPendingReplication", stat: "Maximum", periodSeconds: MINUTE_SECONDS },
  latency: { id: "latency", metric: "ReplicationLatency", stat: "Maximum", periodSeconds: MINUTE_SECONDS },
} as const satisfies Readonly<Record<string, Wanted>>;

/** That of the source's region: S3 counts it minute by minute, and what failed a minute ago still matters. */
const FAILED: Wanted = { id: "failed", metric: "OperationsFailedReplication", stat: "Sum", periodSeconds: MINUTE_SECONDS };

class CloudWatchReplicationMetrics implements ReplicationMetrics {
  readonly #sdk: typeof CloudWatch;
  readonly #source: CloudWatch.CloudWatchClient;
  readonly #destination: CloudWatch.CloudWatchClient;

  constructor(sdk: typeof CloudWatch, source: CloudWatch.CloudWatchClient, destination: CloudWatch.CloudWatchClient) {
    this.#sdk = sdk;
    this.#source = source;
    this.#destination = destination;
  }

  async latest(rule: RuleName): Promise<RuleMetrics> {
    const [pending, failed] = await Promise.all([
      this.#values(this.#destination, rule, Object.values(PENDING)),
      this.#values(this.#source, rule, [FAILED]),
    ]);
    const seconds = newest(pending, PENDING.latency);
    return {
      operationsPending: newest(pending, PENDING.operations),
      bytesPending: newest(pending, PENDING.bytes),
      operationsFailed: sum(failed.get(FAILED.id)),
      latencyMs: seconds === null ? null : seconds * 1000,
    };
  }

  close(): void {
    this.#source.destroy();
    this.#destination.destroy();
  }

  /** Values by the id of their query, newest first. */
  async #values(client: CloudWatch.CloudWatchClient, rule: RuleName, wanted: readonly Wanted[]): Promise<ReadonlyMap<string, number[]>> {
    const now = Date.now();
    const command = new this.#sdk.GetMetricDataCommand({
      MetricDataQueries: wanted.map((one) => toQuery(one, rule)),
      StartTime: new Date(now - WINDOW_SECONDS * 1000),
      EndTime: new Date(now),
      ScanBy: "TimestampDescending",
    });
    const { MetricDataResults = [] } = await ask(rule, () => client.send(command));
    return new Map(MetricDataResults.map(({ Id = "", Values = [] }) => [Id, Values]));
  }
}

function toQuery({ id, metric, stat, periodSeconds }: Wanted, rule: RuleName): CloudWatch.MetricDataQuery {
  const Dimensions = [
    { Name: "SourceBucket", Value: rule.sourceBucket },
    { Name: "DestinationBucket", Value: rule.destinationBucket },
    { Name: "RuleId", Value: rule.ruleId },
  ];
  return {
    Id: id,
    MetricStat: { Metric: { Namespace: "AWS/S3", MetricName: metric, Dimensions }, Period: periodSeconds, Stat: stat },
    ReturnData: true,
  };
}

function newest(values: ReadonlyMap<string, number[]>, { id }: Wanted): number | null {
  return values.get(id)?.[0] ?? null;
}

function sum(values: readonly number[] = []): number | null {
  return values.length === 0 ? null : values.reduce((total, value) => total + value, 0);
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  AccessDenied: "allow cloudwatch:GetMetricData",
  InvalidAccessKeyId: "check accessKeyId; temporary credentials may have expired",
  SlowDown: "the account asks too often: try again",
  StoreUnreachable: "check that this machine can reach AWS",
};

/** Does the work, and tells in our words what CloudWatch says in its own. */
async function ask<T>({ sourceBucket, ruleId }: RuleName, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isReplicationError(cause)) throw cause;
    const { code, name, message, status } = toRefusal(cause);
    throw new ReplicationError(code, `GetMetricData of rule ${ruleId} on ${sourceBucket}: ${name}: ${message}`, {
      at: { operation: "GetMetricData", bucket: sourceBucket, status },
      hint: HINTS[code],
      cause,
    });
  }
}
