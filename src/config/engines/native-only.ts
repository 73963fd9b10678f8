import type { DestinationMap, RuleDocument, SourceMap } from "../config-document.ts";
import type { Path } from "../problem.ts";
import { mapOf } from "../spelled-bucket.ts";

/** Where a rule asks for what only S3's own replication knows. */
export function nativeOnly(document: RuleDocument, path: Path): readonly Path[] {
  const { source, destinations = [], mesh = [] } = document;
  const spelled: readonly (readonly [Path, NativeSettings])[] = [
    [path, document],
    ...(source === undefined ? [] : [[[...path, "source"], mapOf(source)] as const]),
    ...destinations.map((item, index) => [[...path, "destinations", index], mapOf(item)] as const),
    ...mesh.map((item, index) => [[...path, "mesh", index], mapOf(item)] as const),
  ];
  return spelled.flatMap(([at, settings]) => askedOfNative(settings).map((key) => [...at, key]));
}

type NativeSettings = Partial<Pick<DestinationMap & SourceMap, "replicationTime" | "owner" | "kmsKeys" | "existingObjects" | "bucket">>;

function askedOfNative({ replicationTime, owner, kmsKeys, existingObjects }: NativeSettings): readonly string[] {
  const asked = {
    replicationTime: replicationTime === true,
    owner: owner === "destination",
    kmsKeys: kmsKeys !== undefined,
    existingObjects: typeof existingObjects === "object",
  };
  return Object.entries(asked).flatMap(([key, isAsked]) => (isAsked ? [key] : []));
}
