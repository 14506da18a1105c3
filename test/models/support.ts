import { type Engine, Linear, Module, mx, type Traced } from "../../src/index.js";

/** A perceptron of two layers, with modules in a list and one in an object. */
export class Perceptron extends Module {
  readonly layers: Linear[];
  readonly rest: { readonly head: Linear };

  constructor(engine: Engine, [inputs, hidden, outputs]: readonly [number, number, number]) {
    super();
    const layer = (from: number, to: number) => {
      const weight = Array.from({ length: to }, (_, row) =>
        Array.from({ length: from }, (_, column) => Math.sin(1 + row * from + column)),
      );
      return new Linear(engine.tensor(weight), engine.tensor(new Float32Array(to)));
    };
    this.layers = [layer(inputs, hidden), layer(hidden, hidden)];
    this.rest = { head: layer(hidden, outputs) };
  }

  forward(x: Traced): Traced {
    const hidden = this.layers.reduce((value, layer) => mx.tanh(layer.forward(value)), x);
    return this.rest.head.forward(hidden);
  }

  /** A method beside forward, which a materialized one has too. */
  outputs(): number {
    return this.rest.head.weight.shape[0] as number;
  }
}

/** The names of a {@link Perceptron}'s parameters. */
export const NAMES = [
  ...["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"],
  ...["rest.head.weight", "rest.head.bias"],
];

/** A row of `added_tokens` in a tokenizer.json: a special token. */
export function specialToken(content: string, id: number) {
  return {
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  };
}

/** A tokenizer.json of BERT's kind, for the words `a` and `b`. */
export function bertTokenizer() {
  const names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
  const piece = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: names.map(specialToken),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [piece("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, piece("[SEP]")],
      pair: [],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries([...names, "a", "b"].map((name, id) => [name, id])),
    },
  };
}
