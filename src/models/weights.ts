import { readdir } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { Engine } from "../engine/engine.js";
import { FileError, fromSystem } from "../files/error.js";
import { type GgufValue, Members, openGguf, openSafetensors } from "../files/index.js";
import { once } from "../files/members.js";
import type { Tensor } from "../native-tensor.js";
import type { TensorType } from "../tensor/dtype.js";
import { ModelError } from "./error.js";
import { ggufTensors } from "./gguf-tensors.js";
import { readJson, stringsOf } from "./json.js";
import type { NamedTensors } from "./module.js";

/** A tensor of weights: its type is known, its elements are in the file. */
export interface Weight {
  /** Its type once it is read. */
  readonly type: TensorType;
  /** The tensor, which is read when it is first needed. It is the same one each time. */
  readonly tensor: () => Tensor;
}

/** The weights of a model in its files. Nothing but headers is read before a run needs it. */
export class Weights implements NamedTensors {
  /** Names tensors: see {@link openWeights}. */
  constructor(
    /** The file or folder. */
    readonly source: string,
    /** The tensors by name. One that cannot be used throws when it is asked for. */
    readonly tensors: Members<Weight>,
    /** What a GGUF file says beside its tensors; empty for others. */
    readonly metadata: ReadonlyMap<string, GgufValue> = new Map(),
  ) {}

  /** The names. */
  keys(): Iterable<string> {
    return this.tensors.keys();
  }

  /** Returns whether there is a tensor of this name. */
  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** Returns the tensor of this name. @throws FileError where the tensor cannot be used */
  get(name: string): Tensor | undefined {
    return this.tensors.get(name)?.tensor();
  }
}

const INDEX = ".safetensors.index.json";

/**
 * Opens the weights of a model: a .safetensors or .gguf file, the index of several .safetensors files, or a folder with such files.
 * Tensors are read when they are first needed, each one once.
 *
 * @throws FileError; ModelError `model_invalid` where a folder has no weights or its index names what is not there
 */
export async function openWeights(engine: Engine, path: string): Promise<Weights> {
  if (path.endsWith(INDEX)) return await openIndex(engine, path, path);
  if (extname(path) === ".safetensors") return await openShards(engine, path, [path]);
  if (extname(path) === ".gguf") return await openGgufWeights(engine, path);
  return await openFolder(engine, path);
}

async function openFolder(engine: Engine, folder: string): Promise<Weights> {
  const names = await namesIn(folder);
  const of = (suffix: string) => names.filter((name) => name.endsWith(suffix)).sort();
  const [index, ...indexes] = of(INDEX);
  if (index !== undefined && indexes.length === 0) {
    return await openIndex(engine, join(folder, index), folder);
  }
  const shards = names.includes("model.safetensors") ? ["model.safetensors"] : of(".safetensors");
  if (shards.length > 0) {
    const paths = shards.map((name) => join(folder, name));
    return await openShards(engine, folder, paths);
  }
  const [gguf, ...others] = of(".gguf");
  if (gguf !== undefined && others.length === 0) {
    return await openGgufWeights(engine, join(folder, gguf));
  }
  const found = gguf === undefined ? "has no weights" : `has ${others.length + 1} .gguf files`;
  throw new ModelError(
    "model_invalid",
    `${folder} ${found}`,
    "model.safetensors, several .safetensors files with or without their index, or one .gguf file",
  );
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOTDIR") {
      const expected = "a folder, or a name that ends in .safetensors or .gguf";
      throw new FileError("file_name_unknown", folder, "its name tells no weights", expected);
    }
    throw fromSystem(error, folder);
  }
}

/** Opens the shards that an index names, and checks that each tensor is where the index says. */
async function openIndex(engine: Engine, path: string, source: string): Promise<Weights> {
  const places = Object.entries(stringsOf(await readJson(path), "weight_map", path));
  const bad = places.find(
    ([, file]) => basename(file) !== file || extname(file) !== ".safetensors",
  );
  if (bad !== undefined) {
    const problem = `${path} says that "${bad[0]}" is in "${bad[1]}"`;
    throw new ModelError("model_invalid", problem, "the name of a .safetensors file beside it");
  }
  const shards = [...new Set(places.map(([, file]) => file))];
  const folder = dirname(path);
  const paths = shards.map((name) => join(folder, name));
  return await openShards(engine, source, paths, new Set(places.map(([name]) => name)));
}

/** `wanted`: the names that there have to be. */
async function openShards(
  engine: Engine,
  source: string,
  paths: readonly string[],
  wanted: ReadonlySet<string> = new Set(),
): Promise<Weights> {
  const tensors = new Map<string, () => Weight>();
  for (const path of paths) {
    const opened = await openSafetensors(path);
    for (const name of opened.tensors.keys()) {
      if (tensors.has(name)) {
        const problem = `${source} has two tensors named "${name}", one of them in ${path}`;
        throw new ModelError("model_invalid", problem, "every name once");
      }
      tensors.set(
        name,
        once((): Weight => {
          const { type, offset } = opened.tensors.get(name) as { type: TensorType; offset: number };
          return { type, tensor: once(() => engine.fileTensor(path, offset, type)) };
        }),
      );
    }
  }
  const missing = [...wanted].filter((name) => !tensors.has(name));
  if (missing.length > 0) {
    const problem = `the index of ${source} names ${missing.length} tensors that its files do not have: ${missing.slice(0, 8).join(", ")}`;
    throw new ModelError("model_invalid", problem, "all of them in the files that it names");
  }
  return new Weights(source, new Members(tensors));
}

async function openGgufWeights(engine: Engine, path: string): Promise<Weights> {
  const gguf = await openGguf(path);
  const parts = gguf.metadata.get("split.count");
  if (typeof parts === "number" && parts > 1) {
    const problem = `${path} is one of ${parts} parts of a model`;
    throw new ModelError("model_unsupported", problem, "one .gguf file with all of the model");
  }
  return new Weights(path, ggufTensors(engine, gguf), gguf.metadata);
}
