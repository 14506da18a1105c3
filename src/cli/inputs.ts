import { extname } from "node:path";
import type { FileArray, FileRange } from "../files/array.js";
import { FileError } from "../files/error.js";
import { ONLY, readTensors } from "../files/index.js";
import { openSafetensors } from "../files/safetensors.js";
import { formatType, sameType, type TensorType } from "../tensor/dtype.js";
import { UsageError } from "./command.js";

/** Where an input comes from: read already, or still in a .safetensors file that the engine reads itself. */
export type InputSource =
  | { readonly kind: "array"; readonly array: FileArray }
  | { readonly kind: "range"; readonly path: string; readonly range: FileRange };

/** One `--input`, taken apart. */
interface InputSpec {
  readonly parameter: number;
  readonly path: string;
  /** The tensor of a file that may hold several. */
  readonly member?: string | undefined;
}

/**
 * Finds the value of every parameter. An input is `NUMBER=FILE`, `%NUMBER=FILE` or `FILE` for the next
 * parameter without one; FILE is a .npy, .npz or .safetensors file, the latter two with `:TENSOR`.
 */
export async function resolveInputs(
  inputs: readonly string[],
  parameters: readonly TensorType[],
): Promise<InputSource[]> {
  const sources = new Map<number, InputSource>();
  for (const spec of parseInputs(inputs, parameters.length)) {
    const source = await load(spec);
    const type = source.kind === "array" ? source.array.type : source.range.type;
    const wanted = parameters[spec.parameter] as TensorType;
    if (!sameType(type, wanted)) {
      throw new FileError(
        "file_type",
        spec.member === undefined ? spec.path : `${spec.path}:${spec.member}`,
        `it holds ${formatType(type)}`,
        `${formatType(wanted)} for parameter ${spec.parameter}`,
      );
    }
    sources.set(spec.parameter, source);
  }
  return parameters.map((type, index) => {
    const source = sources.get(index);
    if (source === undefined) {
      throw new UsageError(
        `parameter ${index} has no value: --input ${index}=FILE with ${formatType(type)}`,
      );
    }
    return source;
  });
}

/** Takes the `--input` options apart and gives every one its parameter. */
export function parseInputs(inputs: readonly string[], count: number): InputSpec[] {
  const specs = inputs.map((input) => {
    const [, name, file] = /^(?:([^=]*)=)?(.*)$/s.exec(input) as unknown as [
      string,
      string | undefined,
      string,
    ];
    const [, path, member] = (/^(.*\.(?:npz|safetensors)):(.+)$/s.exec(file) ?? [
      "",
      file,
      undefined,
    ]) as [string, string, string | undefined];
    return { parameter: name === undefined ? undefined : parameterOf(name, count), path, member };
  });
  const taken = new Set<number>();
  for (const { parameter } of specs) {
    if (parameter === undefined) continue;
    if (taken.has(parameter)) throw new UsageError(`parameter ${parameter} was given twice`);
    taken.add(parameter);
  }
  let next = 0;
  return specs.map((spec) => {
    if (spec.parameter !== undefined) return { ...spec, parameter: spec.parameter };
    while (taken.has(next)) next++;
    if (next >= count) {
      throw new UsageError(`too many inputs: the graph has ${count} parameters`);
    }
    taken.add(next);
    return { ...spec, parameter: next };
  });
}

function parameterOf(name: string, count: number): number {
  const number = /^%?(\d+)$/.exec(name)?.[1];
  if (number === undefined || Number(number) >= count) {
    const known = count === 0 ? "the graph has none" : `the graph has 0 to ${count - 1}`;
    throw new UsageError(`there is no parameter "${name}": ${known}`);
  }
  return Number(number);
}

async function load({ parameter, path, member }: InputSpec): Promise<InputSource> {
  if (extname(path) === ".safetensors") {
    const { tensors } = await openSafetensors(path);
    return { kind: "range", path, range: pick(tensors, path, member, parameter) };
  }
  const arrays = await readTensors(path);
  return { kind: "array", array: pick(arrays, path, member, parameter) };
}

/** The tensor asked for; else the only one; else the one named like the parameter. */
function pick<T>(
  tensors: ReadonlyMap<string, T>,
  path: string,
  member: string | undefined,
  parameter: number,
): T {
  const name = member ?? (tensors.size === 1 ? [...tensors.keys()][0] : String(parameter));
  const found = name === undefined ? undefined : tensors.get(name);
  if (found === undefined) {
    throw new FileError(
      "file_not_found",
      path,
      member === undefined ? "it holds several tensors" : `it has no tensor "${member}"`,
      `one of ${[...tensors.keys()].slice(0, 20).join(", ") || ONLY}, as in ${path}:NAME`,
    );
  }
  return found;
}
