import { Tokenizer } from "@huggingface/tokenizers";
import { describeThrown } from "../show.js";
import { ModelError } from "./error.js";
import type { JsonObject } from "./json.js";

/** Makes a tokenizer of the content of its files. @throws ModelError `tokenizer_unsupported` */
export function makeTokenizer(json: JsonObject, config: JsonObject, path: string): Tokenizer {
  try {
    const tokenizer = new Tokenizer(json, config);
    // Some parts are looked for when they are first used.
    tokenizer.encode("");
    return tokenizer;
  } catch (cause) {
    const problem = `${path}: the tokenizer cannot be used: ${describeThrown(cause).message}`;
    const expected = "a tokenizer that @huggingface/tokenizers reads";
    throw new ModelError("tokenizer_unsupported", problem, expected, { cause });
  }
}
