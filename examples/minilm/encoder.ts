import { join } from "node:path";
import {
  type Engine,
  longestText,
  openBert,
  pool,
  readPooling,
  type Tensor,
  TextTokenizer,
  type Traced,
} from "davit-engine";

/**
 * The parts of `Embedder` by themselves: here the sentences are one batch, whose layers are watched, and the program also goes to another engine.
 * The weights stay in their file until the first run reads them.
 */
export interface SentenceEncoder {
  readonly tokenizer: TextTokenizer;
  /** To be traced: ids and mask in, one unit vector a sentence out. */
  readonly encoder: (ids: Traced, mask: Traced) => Traced;
  /** The hooks, in the order in which they fire. */
  readonly layers: readonly string[];
  readonly weightsPath: string;
  /** The names of the weights in their file, by tensor. */
  readonly weightNames: ReadonlyMap<Tensor, string>;
}

/** Opens a model folder, as sentence-transformers writes it. */
export async function openEncoder(engine: Engine, folder: string): Promise<SentenceEncoder> {
  const { bert, config, weights } = await openBert(engine, folder);
  const pooling = await readPooling(folder);
  const longest = await longestText(folder, config.positions);
  return {
    tokenizer: await TextTokenizer.open(folder, longest),
    encoder: (ids, mask) => pool(bert.forward(ids, mask), mask, pooling),
    layers: bert.layers.map((_, n) => `encoder.${n}`),
    weightsPath: join(folder, "model.safetensors"),
    weightNames: new Map([...weights.keys()].map((name) => [weights.get(name) as Tensor, name])),
  };
}
