import type { S3ControlClientResolvedConfig } from "@aws-sdk/client-s3-control";

type EndpointProvider = S3ControlClientResolvedConfig["endpointProvider"];

/**
 * AWS is asked at a host that begins with the account. No other host has such a name below it, and an address cannot: there the account goes
 * in the header alone, which carries it everywhere.
 */
export function accountsInHeaders(provider: EndpointProvider): EndpointProvider {
  return (params, context) => provider(isOther(params.Endpoint) ? { ...params, RequiresAccountId: false } : params, context);
}

function isOther(endpoint: string | undefined): boolean {
  return endpoint !== undefined && !/\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
}
