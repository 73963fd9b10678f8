import { bodyDocument, type Operation } from "./call.ts";
import { S3Error } from "./s3-error.ts";
import { parseCount } from "./s3-request.ts";
import { emptyResponse } from "./s3-response.ts";
import { childrenOf, childText } from "./xml.ts";

const TIERS = new Set(["Standard", "Bulk", "Expedited"]);

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html */
export const restoreObject: Operation = (call) => {
  const { model, request } = call;
  const document = bodyDocument(call, "RestoreRequest");
  if (childText(document, "Type") !== undefined) throw new S3Error("NotImplemented", "Only copies of archived objects are restored");
  const days = parseCount("Days", childText(document, "Days"));
  if (days === undefined || days < 1) throw new S3Error("MalformedXML");
  for (const job of childrenOf(document, "GlacierJobParameters")) {
    if (!TIERS.has(childText(job, "Tier") ?? "")) throw new S3Error("MalformedXML");
  }
  const end = model.restoreObject(request.bucket, request.key, { days, versionId: request.query.get("versionId") });
  return emptyResponse(end === "begun" ? 202 : 200);
};
