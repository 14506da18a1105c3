import { join } from "node:path";
import { FileError } from "../../files/error.js";
import { isPlainObject } from "../../realm.js";
import { show } from "../../show.js";
import { mx, type Traced } from "../../trace/index.js";
import { ModelError } from "../error.js";
import { ifThere, type JsonObject, readJson, readJsonValue } from "../json.js";

/** How the vectors of a text's tokens become one: a plain value. */
export interface Pooling {
  /**
   * `mean` or `max` of all tokens; the `first` or the `last` token; `cls`, the token that stands for the whole text, which for BERT is the first; `none`:
   * one vector for each token.
   */
  readonly mode: "mean" | "max" | "cls" | "first" | "last" | "none";
  /** Whether vectors are made 1 long; not unless given. */
  readonly normalize?: boolean;
  /** How many numbers of a vector are kept, for models that are trained for that; all unless given. They are cut before they are normalized. */
  readonly dimension?: number;
}

const MODES = ["mean", "max", "cls", "first", "last", "none"] as const;

/** Checks a pooling for vectors of a size. @throws ModelError `pooling_invalid` */
export function checkPooling(pooling: Pooling, size: number): void {
  const wrong = (what: string, value: unknown, expected: string) =>
    new ModelError("pooling_invalid", `${what} of a pooling is ${show(value)}`, expected);
  if (!isPlainObject(pooling)) throw wrong("the value", pooling, '{ mode: "mean" }');
  const { mode, normalize = false, dimension = size } = pooling;
  if (!MODES.includes(mode)) throw wrong("mode", mode, `one of ${MODES.join(", ")}`);
  if (typeof normalize !== "boolean") throw wrong("normalize", normalize, "true or false");
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > size) {
    throw wrong("dimension", dimension, `a whole number from 1 to ${size}`);
  }
}

/**
 * Pools vectors of tokens, in a traced function: `x` is [texts, length, size], `mask` float32[texts, length], 0 for padding. Returns float32 vectors, one for
 * each text, or for each token where the mode is `none`.
 */
export function pool(x: Traced, mask: Traced, pooling: Pooling): Traced {
  const pooled = pooledTokens(mx.astype(x, { dtype: "float32" }), mask, pooling.mode);
  const { dimension, normalize } = pooling;
  const cut = dimension === undefined ? pooled : firstOf(pooled, dimension);
  return normalize === true ? normalized(cut) : cut;
}

function pooledTokens(x: Traced, mask: Traced, mode: Pooling["mode"]): Traced {
  const weights = mx.expand_dims(mask, { axes: [2] });
  switch (mode) {
    case "mean": {
      const sum = mx.sum(mx.multiply(x, weights), { axes: [1] });
      return mx.divide(sum, mx.sum(weights, { axes: [1] }));
    }
    case "max":
      return mx.max(mx.where(mx.greater(weights, 0), x, -Infinity), { axes: [1] });
    case "cls":
    case "first":
      return mx.take(x, 0, { axis: 1 });
    case "last": {
      const last = mx.subtract(mx.sum(mask, { axes: [1], keepdims: true }), 1);
      const index = mx.expand_dims(mx.astype(last, { dtype: "int32" }), { axes: [2] });
      return mx.squeeze(mx.take_along_axis(x, index, { axis: 1 }), { axes: [1] });
    }
    case "none":
      return x;
  }
}

function firstOf(x: Traced, count: number): Traced {
  const indices = mx.arange({ start: 0, stop: count, dtype: "int32" });
  return mx.take(x, indices, { axis: x.ndim - 1 });
}

/** Vectors of length 1. */
function normalized(x: Traced): Traced {
  const squares = mx.sum(mx.square(x), { axes: [x.ndim - 1], keepdims: true });
  return mx.multiply(x, mx.rsqrt(mx.maximum(squares, 1e-24)));
}

/**
 * Reads the pooling of a folder as sentence-transformers writes it: modules.json and the config.json of the pooling. Without them it is the mean of the tokens.
 * @throws FileError, ModelError `model_unsupported`
 */
export async function readPooling(folder: string): Promise<Pooling> {
  const path = join(folder, "modules.json");
  const modules = await readModules(path);
  let mode: Pooling["mode"] = "mean";
  let normalize = false;
  for (const { type, path: part } of modules) {
    const kind = type.split(".").at(-1);
    if (kind === "Normalize") {
      normalize = true;
    } else if (kind === "Pooling") {
      const file = join(folder, part, "config.json");
      mode = modeOf((await ifThere(readJson(file))) ?? {}, file);
    } else if (kind !== "Transformer") {
      const problem = `${path}: the model has a module ${type}`;
      throw new ModelError("model_unsupported", problem, "Transformer, Pooling, Normalize");
    }
  }
  return { mode, normalize };
}

const POOLING_MODES: Readonly<Record<string, Pooling["mode"]>> = {
  pooling_mode_mean_tokens: "mean",
  pooling_mode_max_tokens: "max",
  pooling_mode_cls_token: "cls",
  pooling_mode_lasttoken: "last",
};

function modeOf(json: JsonObject, path: string): Pooling["mode"] {
  const chosen = Object.entries(json).filter(
    ([key, value]) => key.startsWith("pooling_mode_") && value === true,
  );
  const [name] = chosen[0] ?? ["pooling_mode_mean_tokens"];
  const mode = POOLING_MODES[name];
  if (mode !== undefined && chosen.length < 2) return mode;
  const problem = `${path}: the pooling is ${chosen.map(([key]) => key).join(" and ")}`;
  throw new ModelError(
    "model_unsupported",
    problem,
    `one of ${Object.keys(POOLING_MODES).join(", ")}`,
  );
}

interface ModuleEntry {
  readonly type: string;
  readonly path: string;
}

async function readModules(path: string): Promise<readonly ModuleEntry[]> {
  const modules = (await ifThere(readJsonValue(path))) ?? [];
  const isEntry = (item: unknown): item is ModuleEntry =>
    isPlainObject(item) && typeof item.type === "string" && typeof item.path === "string";
  if (Array.isArray(modules) && modules.every(isEntry)) return modules;
  const expected = 'a list of modules, such as { "type": "...Pooling", "path": "1_Pooling" }';
  throw new FileError("file_malformed", path, "it is no list of modules", expected);
}
