import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import type { Tokenizer } from "@huggingface/tokenizers";
import { readRegular } from "../../files/open.js";
import { describeThrown } from "../../show.js";
import { ModelError } from "../error.js";
import { makeTokenizer } from "../hugging-face-tokenizer.js";
import { ifThere, type JsonObject, readJson } from "../json.js";
import type { Weights } from "../weights.js";
import { type TokenizerFiles, tokenizerOfGguf } from "./gguf-tokenizer.js";

/** One message of a chat. */
export interface ChatMessage {
  /** Who says it: `system`, `user` or `assistant`. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** Texts to tokens and back, for a language model. */
export class LanguageTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #config: JsonObject;
  readonly #path: string;
  #template: Template | undefined;
  /** The tokens after which a model says no more. */
  readonly endTokens: ReadonlySet<number>;

  /** Makes a tokenizer of the content of its files. @throws ModelError `tokenizer_unsupported` */
  constructor({ json, config }: TokenizerFiles, path: string, endTokens: readonly number[] = []) {
    this.#tokenizer = makeTokenizer(json, config, path);
    this.#config = config;
    this.#path = path;
    const named = ["<|im_end|>", "<|eot_id|>", "<|endoftext|>", tokenText(config.eos_token)];
    const ids = named.map((text) =>
      text === undefined ? undefined : this.#tokenizer.token_to_id(text),
    );
    this.endTokens = new Set([...endTokens, ...ids].filter((id) => id !== undefined));
  }

  /**
   * Reads the tokenizer of a language model: that of a GGUF file, or tokenizer.json and tokenizer_config.json of a folder.
   * @throws FileError; ModelError `model_invalid`, `tokenizer_unsupported`
   */
  static async open(weights: Weights, folder: string): Promise<LanguageTokenizer> {
    if (weights.metadata.size > 0) {
      return new LanguageTokenizer(
        tokenizerOfGguf(weights.metadata, weights.source),
        weights.source,
      );
    }
    const path = join(folder, "tokenizer.json");
    const config = (await ifThere(readJson(join(folder, "tokenizer_config.json")))) ?? {};
    const template = await ifThere(readRegular(join(folder, "chat_template.jinja")));
    const withTemplate = template && { chat_template: template.toString("utf8") };
    const { eos_token_id: eos } =
      (await ifThere(readJson(join(folder, "generation_config.json")))) ?? {};
    const ends = (Array.isArray(eos) ? eos : [eos]).filter((id) => typeof id === "number");
    return new LanguageTokenizer(
      { json: await readJson(path), config: { ...config, ...withTemplate } },
      path,
      ends,
    );
  }

  /** The tokens of a text. Special tokens are recognized by their texts. */
  encode(text: string): number[] {
    return [...this.#tokenizer.encode(text).ids];
  }

  /** The text of tokens, without special ones. A part of a character is U+FFFD. */
  decode(ids: readonly number[]): string {
    if (ids.length === 0) return "";
    return this.#tokenizer.decode([...ids], {
      skip_special_tokens: true,
      clean_up_tokenization_spaces: false,
    });
  }

  /**
   * A chat as the model was trained with, up to where the assistant answers; with `answer: false` up to the end of the messages.
   * @throws ModelError `chat_unsupported` where the model has no chat template, or the template refuses the messages
   */
  chat(messages: readonly ChatMessage[], { answer = true } = {}): string {
    const { chat_template: source } = this.#config;
    if (typeof source !== "string") {
      const problem = `${this.#path} has no chat template`;
      throw new ModelError(
        "chat_unsupported",
        problem,
        "a model that was trained for chats, or a prompt",
      );
    }
    try {
      this.#template ??= new Template(source);
      return this.#template.render({
        messages,
        add_generation_prompt: answer,
        bos_token: tokenText(this.#config.bos_token) ?? "",
        eos_token: tokenText(this.#config.eos_token) ?? "",
      });
    } catch (cause) {
      const problem = `${this.#path}: its chat template failed: ${describeThrown(cause).message}`;
      throw new ModelError("chat_unsupported", problem, "messages that it takes", { cause });
    }
  }
}

/** A token of tokenizer_config.json: a text, or an object with its content. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
