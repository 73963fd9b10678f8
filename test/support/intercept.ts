import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";

export interface InterceptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What is done to a request on its way: answered instead of the server, cut off after its head, or, where undefined, let through. */
export type Interception = InterceptedAnswer | "cut" | undefined;

/** Changed as the test goes on. */
export interface Interceptor extends AsyncDisposable {
  readonly endpoint: string;
  /** A request waits as long as it is not known yet what is done to it. */
  intercept: (request: IncomingMessage) => Interception | Promise<Interception>;
  /** Changes the head of an answer of the server. */
  rewrite: (request: IncomingMessage, headers: Record<string, string | string[] | undefined>) => void;
}

/** Stands in front of a server; signatures stay valid, since they cover the name the client knows. */
export async function interceptorBefore(endpoint: string): Promise<Interceptor> {
  const target = new URL(endpoint);
  const server = createServer((request, response) => {
    const decided = interceptor.intercept(request);
    if (decided instanceof Promise) void decided.then((interception) => take(request, response, interception));
    else take(request, response, decided);
  });
  const take = (request: IncomingMessage, response: ServerResponse, interception: Interception): void => {
    if (interception === "cut") request.once("data", () => request.socket.destroy());
    else if (interception !== undefined) answer(request, response, interception);
    else forward(request, response);
  };
  const forward = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url, headers } = request;
    const onward = send({ host: target.hostname, port: target.port, method, path: url, headers }, (answered) => {
      interceptor.rewrite(request, answered.headers);
      response.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.on("close", () => request.complete || onward.destroy());
    request.pipe(onward);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const interceptor: Interceptor = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    intercept: () => undefined,
    rewrite: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return interceptor;
}

function answer(request: IncomingMessage, response: ServerResponse, { status, headers = {}, body = "" }: InterceptedAnswer): void {
  request.resume();
  request.on("end", () => response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body));
}
