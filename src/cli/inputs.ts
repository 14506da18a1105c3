import { existsSync } from "node:fs";
import { extname } from "node:path";
import type { FileArray, FileRange } from "../files/array.js";
import { FileError } from "../files/error.js";
import { ONLY, readTensors } from "../files/index.js";
import type { Members } from "../files/members.js";
import { openSafetensors } from "../files/safetensors.js";
import { shown } from "../graph/showing/describe.js";
import { listNames } from "../show.js";
import { formatType, sameRank, sameType, type TensorType } from "../tensor/dtype.js";
import { UsageError } from "./command.js";
import { findParameter, lookUp, type Parameter, parameterText } from "./parameters.js";

/** The source of an input: read already, or still in a .safetensors file that the engine reads itself. */
export type InputSource =
  | { readonly kind: "array"; readonly array: FileArray }
  | { readonly kind: "range"; readonly path: string; readonly range: FileRange };

/** The type of an input's tensor. */
export function sourceType(source: InputSource): TensorType {
  return source.kind === "array" ? source.array.type : source.range.type;
}

/** One `--input`, taken apart. */
interface InputSpec {
  /** Absent where the file or the order tells it. */
  readonly parameter: Parameter | undefined;
  readonly path: string;
  /** The tensor of a file that may hold several. */
  readonly member: string | undefined;
}

/** The tensors of a file by name. */
export type Tensors = Members<InputSource>;

/**
 * Finds the value of every parameter. An input is `NAME=FILE`, `NUMBER=FILE`, `%NUMBER=FILE`, or `FILE` alone: for the
 * parameters that its tensors are named like, or else for the next one without a value. FILE is a .npy, .npz,
 * .safetensors or .gguf file, all but the first with `:TENSOR`. `files` keeps those that are open, by their paths.
 */
export async function resolveInputs(
  inputs: readonly string[],
  parameters: readonly Parameter[],
  files: Map<string, Tensors> = new Map(),
): Promise<InputSource[]> {
  const specs = inputs.map((input) => parseInput(input, parameters));
  const values = new Values(specs.flatMap(({ parameter }) => parameter ?? []));
  for (const { path } of specs) {
    if (!files.has(path)) files.set(path, await openFile(path));
  }
  const inOrder: InputSpec[] = [];
  for (const spec of specs) {
    const tensors = files.get(spec.path) as Tensors;
    if (spec.parameter !== undefined) {
      values.set(spec.parameter, tensors, spec.path, spec.member);
    } else if (!values.setNamed(parameters, tensors, spec)) inOrder.push(spec);
  }
  for (const { path, member } of inOrder) {
    const next = values.firstWithout(parameters);
    if (next === undefined) {
      throw new UsageError(`too many inputs: the graph has ${parameters.length} parameters`);
    }
    values.set(next, files.get(path) as Tensors, path, member);
  }
  return parameters.map((parameter) => values.get(parameter));
}

/**
 * Takes an `--input` option apart. A path may have a `=` of its own: what is before the first one is a parameter where
 * the graph has it, else the beginning of a path where it has a `/` or the file is there.
 */
export function parseInput(input: string, parameters: readonly Parameter[]): InputSpec {
  const [, name, rest] = /^([^=]*)=(.*)$/s.exec(input) ?? [];
  if (name === undefined) return { parameter: undefined, ...splitMember(input) };
  const parameter = lookUp(name, parameters);
  if (parameter === undefined) {
    const whole = splitMember(input);
    if (name.includes("/") || existsSync(whole.path)) return { parameter, ...whole };
  }
  return { parameter: findParameter(name, parameters), ...splitMember(rest as string) };
}

/** A path, and what follows `:` behind the suffix of a file that may hold several tensors. */
function splitMember(file: string): { path: string; member: string | undefined } {
  const [, path, member] = /^(.*\.(?:npz|safetensors|gguf)):(.+)$/s.exec(file) ?? [];
  return path === undefined ? { path: file, member } : { path, member };
}

/** The inputs that parameters have so far. */
class Values {
  readonly #sources = new Map<Parameter, InputSource>();
  /** The parameters that inputs name: files do not fill them. */
  readonly #asked: ReadonlySet<Parameter>;

  constructor(asked: readonly Parameter[]) {
    this.#asked = new Set(asked);
    const twice = asked.find((parameter, index) => asked.indexOf(parameter) !== index);
    if (twice !== undefined) throw givenTwice(twice);
  }

  /** Takes a parameter's value from a file: the tensor asked for, else the only one, else the one named like it. */
  set(parameter: Parameter, tensors: Tensors, path: string, member: string | undefined): void {
    if (this.#sources.has(parameter)) throw givenTwice(parameter);
    const name = member ?? nameIn(tensors, parameter);
    const source = name === undefined ? undefined : tensors.get(name);
    if (source === undefined) {
      throw new FileError(
        "file_missing",
        path,
        member === undefined ? "it holds several tensors" : `it has no tensor "${member}"`,
        `one of ${listNames([...tensors.keys()], name) || ONLY}, as in ${path}:NAME`,
      );
    }
    const type = sourceType(source);
    const fits = parameter.anySizes === true ? sameRank : sameType;
    if (!fits(type, parameter.type)) {
      throw new FileError(
        "file_type_invalid",
        tensors.size === 1 && member === undefined ? path : `${path}:${name}`,
        `it holds ${formatType(type)}`,
        `${formatType(parameter.type)} for ${parameterText(parameter)}`,
      );
    }
    this.#sources.set(parameter, source);
  }

  /** Takes what tensors of a file are named like; false where none is named like a parameter. */
  setNamed(
    parameters: readonly Parameter[],
    tensors: Tensors,
    { path, member }: InputSpec,
  ): boolean {
    // The only tensor of a .npy file has no name of its own.
    if (member !== undefined || extname(path) === ".npy") return false;
    const named = parameters.filter(({ name }) => name !== undefined && tensors.has(name));
    for (const parameter of named) {
      if (!this.#asked.has(parameter)) this.set(parameter, tensors, path, parameter.name);
    }
    return named.length > 0;
  }

  firstWithout(parameters: readonly Parameter[]): Parameter | undefined {
    return parameters.find((parameter) => !this.#sources.has(parameter));
  }

  get(parameter: Parameter): InputSource {
    const source = this.#sources.get(parameter);
    if (source !== undefined) return source;
    const { name, index, type } = parameter;
    const option = `--input ${name !== undefined && shown(name) === name ? name : index}=FILE`;
    throw new UsageError(
      `${parameterText(parameter)} has no value: ${option} with ${formatType(type)}`,
    );
  }
}

function givenTwice(parameter: Parameter): UsageError {
  return new UsageError(`${parameterText(parameter)} was given twice`);
}

function nameIn(tensors: Tensors, { name, index }: Parameter): string | undefined {
  if (tensors.size === 1) return [...tensors.keys()][0];
  return name !== undefined && tensors.has(name) ? name : String(index);
}

/** The tensors of a file by name. */
async function openFile(path: string): Promise<Tensors> {
  if (extname(path) === ".safetensors") {
    const { tensors } = await openSafetensors(path);
    return tensors.map((range) => ({ kind: "range", path, range }));
  }
  return (await readTensors(path)).map((array) => ({ kind: "array", array }));
}
