import type { ChatMessage, Generated } from "../models/index.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { ENGINE_HELP, ENGINE_OPTIONS, engineOptions } from "./engine-options.js";
import { interruptible } from "./interrupt.js";
import { SAMPLING_HELP, SAMPLING_OPTIONS, samplingOptions } from "./sampling-options.js";

/** `davit generate`: text of a language model. */
export const generate: Command = {
  summary: "let a language model go on after a prompt, or answer",
  help: `Usage: davit generate MODEL --prompt TEXT | --chat TEXT [OPTIONS]

Lets a language model go on after a prompt, or answer a message, and prints tokens as they come. MODEL is a GGUF file or a
Hugging Face folder of Llama's family.

  --prompt TEXT               the text to go on after, as it is
  --chat TEXT                 the message to answer, in the form that the model was trained with
  --system TEXT               with --chat: what the model is to be
${SAMPLING_HELP}
  --json                      print one JSON object: prompt_ids, tokens, text, reason, prefill_ms, decode_ms
${ENGINE_HELP}
  --help                      this text

Ctrl+C ends the generation. Exit codes: 0 done, 1 failed, 2 called wrongly.

Example: davit generate SmolLM2-135M-Instruct.Q4_1.gguf --chat "What is a davit?"`,
  options: {
    prompt: { type: "string" },
    chat: { type: "string" },
    system: { type: "string" },
    json: { type: "boolean" },
    ...SAMPLING_OPTIONS,
    ...ENGINE_OPTIONS,
  },
  positionals: ["MODEL"],
  run: generateText,
};

async function generateText(args: Arguments): Promise<ExitCode> {
  const options = engineOptions(args);
  const prompt = promptOf(args);
  const sampling = samplingOptions(args);
  const json = args.flags.has("json");
  const [{ Engine }, { Generator, Sampler }] = await Promise.all([
    import("../engine/engine.js"),
    import("../models/index.js"),
  ]);
  // A wrong option is told before the model is read.
  new Sampler(sampling);
  const engine = Engine.create(options);
  return await interruptible(async (signal): Promise<ExitCode> => {
    const generator = await Generator.open(engine, args.positionals[0] as string);
    const text = typeof prompt === "string" ? prompt : generator.tokenizer.chat(prompt);
    const tokens = generator.generate(text, { ...sampling, signal });
    for (;;) {
      const { done, value } = await tokens.next();
      if (done) {
        console.log(json ? JSON.stringify(report(value)) : "");
        return 0;
      }
      if (!json) process.stdout.write(value.text);
    }
  }).finally(() => engine.close());
}

function report({ promptIds, tokens, text, reason, prefillMs, decodeMs }: Generated) {
  const [prefill_ms, decode_ms] = [prefillMs, decodeMs];
  return { prompt_ids: promptIds, tokens, text, reason, prefill_ms, decode_ms };
}

function promptOf(args: Arguments): string | ChatMessage[] {
  const [prompt, chat, system] = ["prompt", "chat", "system"].map((name) => single(args, name));
  if ((prompt === undefined) === (chat === undefined)) {
    throw new UsageError("expected one of --prompt TEXT and --chat TEXT");
  }
  if (system !== undefined && chat === undefined) throw new UsageError("--system goes with --chat");
  if (prompt !== undefined) return prompt;
  const user = { role: "user", content: chat as string };
  return system === undefined ? [user] : [{ role: "system", content: system }, user];
}
