import type { FileRange } from "../files/array.js";
import { openSafetensors, readSafetensor, type Safetensors } from "../files/safetensors.js";
import { boundNamesOf } from "../graph/bound-values.js";
import { hashBytes } from "../graph/encoding/canonical.js";
import type { Graph } from "../graph/graph.js";
import { UsageError } from "./command.js";
import type { InputSource } from "./inputs.js";

/** The sources of tensors that are not in the graph. */
export interface BoundSources {
  /** By the SHA-256 of their bytes, in hex. */
  readonly constants: ReadonlyMap<string, InputSource>;
  /** By their names. */
  readonly externals: ReadonlyMap<string, InputSource>;
}

/**
 * Finds the values that are not in a graph among the tensors of .safetensors files: constants by the hash of their bytes,
 * externals by their names. Candidates for constants are read once to be hashed, and again by the engine.
 * `known` are externals whose places are known already.
 * @throws UsageError that names the first value that is in no file
 */
export async function findBindings(
  graph: Graph,
  constantPaths: readonly string[],
  externalPaths: readonly string[],
  known: ReadonlyMap<string, InputSource> = new Map(),
): Promise<BoundSources> {
  return {
    constants: await findConstants(boundNamesOf(graph, "constant"), constantPaths),
    externals: await findExternals(boundNamesOf(graph, "external"), externalPaths, known),
  };
}

async function findConstants(
  missing: Set<string>,
  paths: readonly string[],
): Promise<Map<string, InputSource>> {
  const found = new Map<string, InputSource>();
  for (const path of paths) {
    const opened = await openSafetensors(path);
    for (const name of opened.tensors.keys()) {
      if (missing.size === 0) return found;
      const range = rangeOf(opened, name);
      if (range === undefined) continue;
      const { bytes } = await readSafetensor(opened, name);
      const hash = hashBytes(bytes);
      if (missing.delete(hash)) found.set(hash, { kind: "range", path, range });
    }
  }
  checkFound(missing, "constants", (hash) => `has the SHA-256 ${hash}`);
  return found;
}

/** Returns the place of a tensor; undefined for one of a type that MLX does not have, which is no constant of a graph. */
function rangeOf({ tensors }: Safetensors, name: string): FileRange | undefined {
  try {
    return tensors.get(name);
  } catch {
    return undefined;
  }
}

async function findExternals(
  missing: Set<string>,
  paths: readonly string[],
  known: ReadonlyMap<string, InputSource>,
): Promise<Map<string, InputSource>> {
  const found = new Map([...known].filter(([name]) => missing.delete(name)));
  for (const path of paths) {
    const { tensors } = await openSafetensors(path);
    for (const name of missing) {
      const range = tensors.get(name);
      if (range === undefined) continue;
      found.set(name, { kind: "range", path, range });
      missing.delete(name);
    }
  }
  checkFound(missing, "externals", (name) => `is "${name}"`);
  return found;
}

function checkFound(
  missing: ReadonlySet<string>,
  kind: "constants" | "externals",
  describe: (name: string) => string,
): void {
  const [first] = missing;
  if (first === undefined) return;
  throw new UsageError(
    `${missing.size} ${kind} of the graph are in no file given with --${kind}; the first ${describe(first)}`,
  );
}
