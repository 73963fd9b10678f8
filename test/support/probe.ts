import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";

/** Whether a GET is answered with 200. Leaves no connection behind, and takes any certificate. */
export async function answersOk(url: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const options = { agent: false as const, signal, rejectUnauthorized: false };
  const request = (url.startsWith("https:") ? getHttps : getHttp)(url, options, (response) => {
    response.resume();
    response.once("close", () => resolve(response.statusCode === 200));
  });
  request.once("error", reject);
  return promise;
}
