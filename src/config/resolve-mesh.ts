import { ReplicationError } from "../domain/error.ts";
import type { MemberDocument, MemberMap } from "./config-document.ts";
import { identity } from "./interior.ts";
import type { Path } from "./problem.ts";
import type { ResolvedBucket } from "./resolved-config.ts";
import { attempt, bucketOf, mapOf, type RuleScope } from "./spelled-bucket.ts";

/** A member of a mesh, with what was said of it. */
export interface Member {
  readonly document: MemberMap;
  readonly placed: ResolvedBucket;
  readonly path: Path;
}

/** Resolves the members of a mesh in the order of the list. Returns undefined, with findings, where one is there twice or cannot be found. */
export function resolveMembers(mesh: readonly MemberDocument[], path: Path, scope: RuleScope): readonly Member[] | undefined {
  const found = mesh.map((item, index) => {
    const at = [...path, index];
    return attempt(at, scope, () => expanded(mapOf(item), scope.name).map((document) => memberOf(document, at, scope)));
  });
  const known = found.filter((members) => members !== undefined);
  if (known.length < found.length) return undefined;
  const members = known.flat();
  return areDistinct(members, scope) ? members : undefined;
}

function memberOf(document: MemberMap, path: Path, scope: RuleScope): Member {
  return { document, placed: bucketOf(document, scope), path };
}

/** One map for every region of a `regions` list, with its placeholders filled in. */
function expanded(document: MemberMap, name: string): readonly MemberMap[] {
  const { regions, ...rest } = document;
  const { bucket } = document;
  if (regions === undefined) {
    if (!/\{(?:name|region)\}/.test(bucket)) return [rest];
    throw invalid(`"${bucket}" has a placeholder and no regions to fill it from`, "add regions: [us-east-1, eu-west-2]");
  }
  if (document.region !== undefined) throw invalid("region stands beside regions", "keep one of the two");
  if (regions.length > 1 && !bucket.includes("{region}"))
    throw invalid(`"${bucket}" would be in several regions`, 'put {region} in its name, as in "{name}-toast-{region}"');
  return regions.map((region) => ({ ...rest, region, bucket: filled(bucket, { name, region }) }));
}

function filled(bucket: string, { name, region }: { readonly name: string; readonly region: string }): string {
  return bucket.replaceAll("{name}", () => name).replaceAll("{region}", () => region);
}

function areDistinct(members: readonly Member[], scope: RuleScope): boolean {
  const seen = new Set<string>();
  const again = members.filter(({ placed }) => {
    const bucket = identity(placed.bucket);
    return seen.has(bucket) || !seen.add(bucket);
  });
  for (const { path, placed } of again)
    scope.findings.push({ path, message: `${placed.bucket.name} is a member twice`, hint: "name every bucket of a mesh once" });
  return again.length === 0;
}

function invalid(message: string, hint: string): ReplicationError {
  return new ReplicationError("ConfigInvalid", message, { hint });
}
