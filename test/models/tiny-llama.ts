import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FileArray, writeTensors } from "../../src/index.js";
import { specialToken } from "./support.js";

const HIDDEN = 64;
const INNER = 128;
const HEADS = 4;
const KEY_HEADS = 2;
const HEAD_SIZE = HIDDEN / HEADS;
const LAYERS = 2;
const GROUP = 32;
/** Bytes, and the tokens around messages. */
const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const VOCABULARY = 256 + SPECIAL.length;

/** The tokens that a tiny model's texts may have. */
export const CONTEXT = 64;

/** A small language model of Llama's kind: how its files differ from others'. */
export interface TinyLlama {
  readonly packed?: boolean;
  readonly config?: Record<string, unknown>;
  readonly tokenizer?: Record<string, unknown>;
  /** Tensors in place of others; undefined takes one away. */
  readonly tensors?: Record<string, FileArray | undefined>;
}

/** Numbers between -1 and 1 that depend on a name alone. */
function numbers(name: string, count: number): Float32Array {
  let state = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

function float(values: Float32Array, shape: readonly number[]): FileArray {
  return { type: { dtype: "float32", shape }, bytes: new Uint8Array(values.buffer) };
}

/** Writes a Hugging Face folder with a language model. Its tokens are bytes, and it ends a text now and then. */
export async function writeTinyLlama(folder: string, tiny: TinyLlama = {}): Promise<string> {
  const { packed = false, config = {}, tokenizer = {}, tensors = {} } = tiny;
  const made = new Map<string, FileArray>();
  const matrix = (name: string, rows: number, columns: number, size: number) => {
    if (!packed) {
      const values = numbers(name, rows * columns).map((x) => x * size);
      made.set(`${name}.weight`, float(values, [rows, columns]));
      return;
    }
    // Numbers of four bits, eight of them a word; the bias makes 0 their mean.
    const words = new Uint32Array((rows * columns) / 8);
    numbers(name, rows * columns).forEach((x, at) => {
      const word = at >>> 3;
      words[word] = (words[word] as number) | (Math.floor(8 * (x + 1)) << (4 * (at % 8)));
    });
    const scales = numbers(`${name}.scales`, (rows * columns) / GROUP).map(
      (x) => ((x + 3) * size) / 24,
    );
    const shape = [rows, columns / GROUP];
    made.set(`${name}.weight`, {
      type: { dtype: "uint32", shape: [rows, columns / 8] },
      bytes: new Uint8Array(words.buffer),
    });
    made.set(`${name}.scales`, float(scales, shape));
    made.set(
      `${name}.biases`,
      float(
        scales.map((x) => -7.5 * x),
        shape,
      ),
    );
  };
  const norm = (name: string) => {
    const values = numbers(name, HIDDEN).map((x) => 1 + x / 5);
    made.set(`${name}.weight`, float(values, [HIDDEN]));
  };
  matrix("model.embed_tokens", VOCABULARY, HIDDEN, 1);
  for (let n = 0; n < LAYERS; n++) {
    const at = `model.layers.${n}`;
    norm(`${at}.input_layernorm`);
    matrix(`${at}.self_attn.q_proj`, HEADS * HEAD_SIZE, HIDDEN, 0.5);
    matrix(`${at}.self_attn.k_proj`, KEY_HEADS * HEAD_SIZE, HIDDEN, 0.5);
    matrix(`${at}.self_attn.v_proj`, KEY_HEADS * HEAD_SIZE, HIDDEN, 0.5);
    matrix(`${at}.self_attn.o_proj`, HIDDEN, HEADS * HEAD_SIZE, 0.5);
    norm(`${at}.post_attention_layernorm`);
    matrix(`${at}.mlp.gate_proj`, INNER, HIDDEN, 0.5);
    matrix(`${at}.mlp.up_proj`, INNER, HIDDEN, 0.5);
    matrix(`${at}.mlp.down_proj`, HIDDEN, INNER, 0.5);
  }
  norm("model.norm");
  matrix("lm_head", VOCABULARY, HIDDEN, 0.5);
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor === undefined) made.delete(name);
    else made.set(name, tensor);
  }
  const sizes = {
    architectures: ["LlamaForCausalLM"],
    num_hidden_layers: LAYERS,
    hidden_size: HIDDEN,
    intermediate_size: INNER,
    num_attention_heads: HEADS,
    num_key_value_heads: KEY_HEADS,
    vocab_size: VOCABULARY,
    max_position_embeddings: CONTEXT,
    rms_norm_eps: 1e-5,
    rope_theta: 1000,
    hidden_act: "silu",
    tie_word_embeddings: false,
    ...config,
  };
  await mkdir(folder, { recursive: true });
  const json = (name: string, value: unknown) =>
    writeFile(join(folder, name), JSON.stringify(value));
  await json("config.json", sizes);
  await json("tokenizer.json", byteTokenizer());
  await json("tokenizer_config.json", { ...TOKENIZER_CONFIG, ...tokenizer });
  await writeTensors(join(folder, "model.safetensors"), made);
  return folder;
}

const TOKENIZER_CONFIG = {
  eos_token: "<|im_end|>",
  chat_template:
    "{% for message in messages %}{{ '<|im_start|>' + message.role + ':' + message.content + '<|im_end|>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>' }}{% endif %}",
};

/** A tokenizer.json whose tokens are the bytes of a text. */
function byteTokenizer() {
  const printable = (byte: number) =>
    (byte > 32 && byte < 127) || (byte > 160 && byte !== 173 && byte < 256);
  let others = 0;
  const letters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : 256 + others++),
  );
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  return {
    version: "1.0",
    added_tokens: SPECIAL.map((content, at) => specialToken(content, 256 + at)),
    normalizer: null,
    pre_tokenizer: { ...byteLevel, use_regex: true },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries([...letters, ...SPECIAL].map((content, id) => [content, id])),
      merges: [],
    },
  };
}
