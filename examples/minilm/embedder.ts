import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Engine, openSafetensors, type Tensor } from "davit-engine";
import { type BertConfig, sentenceEncoder } from "./model.js";
import { SentenceTokenizer } from "./tokenizer.js";

/** A sentence encoder with its tokenizer; the weights stay in their file until the first run reads them. */
export interface Embedder {
  readonly tokenizer: SentenceTokenizer;
  /** To be traced: ids and mask in, one unit vector a sentence out. */
  readonly encoder: ReturnType<typeof sentenceEncoder>;
  /** The hooks, in the order in which they fire. */
  readonly layers: readonly string[];
  readonly weightsPath: string;
  /** The names of the weights that were used, by tensor. */
  readonly weightNames: ReadonlyMap<Tensor, string>;
}

/** Opens a model folder, as sentence-transformers writes it. */
export async function openEmbedder(engine: Engine, folder: string): Promise<Embedder> {
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as BertConfig;
  const weightsPath = join(folder, "model.safetensors");
  const { tensors } = await openSafetensors(weightsPath);
  const opened = new Map<string, Tensor>();
  const weightNames = new Map<Tensor, string>();
  const weights = (name: string): Tensor => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const range = tensors.get(name);
    if (range === undefined) throw new Error(`${weightsPath} has no tensor "${name}"`);
    const tensor = engine.fileTensor(weightsPath, range.offset, range.type);
    opened.set(name, tensor);
    weightNames.set(tensor, name);
    return tensor;
  };
  return {
    tokenizer: await SentenceTokenizer.load(folder),
    encoder: sentenceEncoder(config, weights),
    layers: Array.from({ length: config.num_hidden_layers }, (_, n) => `encoder.${n}`),
    weightsPath,
    weightNames,
  };
}
