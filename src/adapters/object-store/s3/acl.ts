import type { ObjectAcl } from "../../../domain/object.ts";
import { elements, elementText } from "./xml.ts";

export type SourceAcl = ObjectAcl;

const GROUPS = "http://acs.amazonaws.com/groups/global/";
const ALL_READ = `${GROUPS}AllUsers READ`;
const ALL_WRITE = `${GROUPS}AllUsers WRITE`;
const KNOWN_READ = `${GROUPS}AuthenticatedUsers READ`;

/** By the grants to others than the owner. https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
const CANNED: Readonly<Record<string, SourceAcl>> = {
  "": "private",
  [ALL_READ]: "public-read",
  [[ALL_READ, ALL_WRITE].join()]: "public-read-write",
  [KNOWN_READ]: "authenticated-read",
};

/**
 * Reads the answer to GetObjectAcl. Where one other account has full control, `bucketOwner` tells whether that is the owner of the bucket.
 */
export function parseAcl(xml: string, bucketOwner?: string): SourceAcl {
  const owner = elementText(elements(xml, "Owner")[0] ?? "", "ID") ?? "";
  const grants = elements(xml, "Grant").map((grant) => {
    const permission = elementText(grant, "Permission");
    // A server with one user gives him no id.
    return { grantee: elementText(grant, "URI") ?? elementText(grant, "ID") ?? "", permission };
  });
  const others = grants.filter(({ grantee }) => grantee !== owner);
  const told = others.map(({ grantee, permission }) => `${grantee} ${permission}`).sort();
  if (bucketOwner !== undefined && told.join() === `${bucketOwner} FULL_CONTROL`) return "bucket-owner-full-control";
  return CANNED[told.join()] ?? "other";
}
