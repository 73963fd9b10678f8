import type { Body } from "./body.ts";
import type { EmbeddedS3Model } from "./model.ts";
import { S3Error } from "./s3-error.ts";
import type { S3Request } from "./s3-request.ts";
import type { S3Response } from "./s3-response.ts";
import { parseXml, type XmlElement } from "./xml.ts";

/** One authorised request with its whole body, and the store it is about. */
export interface Call {
  readonly model: EmbeddedS3Model;
  readonly request: S3Request;
  readonly body: Body;
}

/** Answers a call or throws an S3Error. */
export type Operation = (call: Call) => S3Response;

/** Reads the document that a call carries. */
export function bodyDocument({ body }: Call, root: string): XmlElement {
  const document = parseXml(Buffer.concat(body.chunks).toString());
  if (document.name !== root) throw new S3Error("MalformedXML");
  return document;
}
