import { acceptedLater } from "./later.ts";
import { isMap } from "./precedence.ts";
import type { Path } from "./problem.ts";
import { bareJsonSchema } from "./schema.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema (draft 7) of replicast.yaml, for editors: what this version reads, and what it accepts because it asks for nothing. */
export function configJsonSchema(): JsonSchema {
  const title = { title: "replicast.yaml" };
  return acceptedLater().reduce<JsonSchema>((schema, { path, key, values }) => withProperty(schema, path, { key, values }), {
    ...bareJsonSchema(),
    ...title,
  });
}

interface Property {
  readonly key: string;
  readonly values: readonly unknown[];
}

function withProperty(schema: JsonSchema, path: Path, property: Property): JsonSchema {
  const [first, ...rest] = path;
  if (Array.isArray(schema.anyOf)) return { ...schema, anyOf: schema.anyOf.map((branch) => branchWith(branch, path, property)) };
  if (first === "*") return { ...schema, items: withProperty(child(schema.items), rest, property) };
  const properties = child(schema.properties);
  if (first === undefined) return { ...schema, properties: { ...properties, [property.key]: { enum: property.values } } };
  return { ...schema, properties: { ...properties, [first]: withProperty(child(properties[first]), rest, property) } };
}

/** Only the branches that are closed maps take part: not a text, not a region map. */
function branchWith(branch: unknown, path: Path, property: Property): unknown {
  return isMap(branch) && isMap(branch.properties) ? withProperty(branch, path, property) : branch;
}

function child(value: unknown): JsonSchema {
  return isMap(value) ? value : {};
}
