import type { Engine } from "../engine/engine.js";
import type { ChatMessage, Generated } from "../models/index.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { ENGINE_HELP, ENGINE_OPTIONS, engineOptions } from "./engine-options.js";
import { printEventBeside } from "./hook-lines.js";
import { checkRecording, HOOK_OPTIONS, hookSpecs, recordOptions } from "./hook-options.js";
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
  --hook GLOB                 print a summary of every hook whose label or name matches, as it fires, on the standard error:
                              those of each layer's attention, layers.N.attention, and logits
  --probe GLOB                the same for every node whose label matches, such as layers.3.feed_forward
  --values                    print the values instead of summaries
  --record FILE               write what --hook and --probe match, every hook without them, to a recording instead
  --json                      print one JSON object: prompt_ids, tokens, text, reason, prefill_ms, decode_ms
${ENGINE_HELP}
  --help                      this text

Ctrl+C ends the generation. Exit codes: 0 done, 1 failed, 2 called wrongly.

Example: davit generate SmolLM2-135M-Instruct.Q4_1.gguf --chat "What is a davit?" --hook logits`,
  options: {
    prompt: { type: "string" },
    chat: { type: "string" },
    system: { type: "string" },
    json: { type: "boolean" },
    ...SAMPLING_OPTIONS,
    ...HOOK_OPTIONS,
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
  checkRecording(args);
  const [{ Engine }, { Generator, Sampler }] = await Promise.all([
    import("../engine/engine.js"),
    import("../models/index.js"),
  ]);
  // A wrong option is told before the model is read.
  new Sampler(sampling);
  const engine = Engine.create(options);
  return await interruptible(async (signal): Promise<ExitCode> => {
    const generator = await Generator.open(engine, args.positionals[0] as string);
    const hooks = await watchHooks(engine, args);
    const text = typeof prompt === "string" ? prompt : generator.tokenizer.chat(prompt);
    const tokens = generator.generate(text, { ...sampling, signal });
    try {
      for (;;) {
        const { done, value } = await tokens.next();
        hooks.check();
        if (done) {
          console.log(json ? JSON.stringify(report(value)) : "");
          return 0;
        }
        if (!json) process.stdout.write(value.text);
      }
    } finally {
      hooks.close();
    }
  }).finally(() => engine.close());
}

/** Prints or records what --hook and --probe ask for. `check` refuses those that nothing was for once a token is there. */
async function watchHooks(engine: Engine, args: Arguments) {
  const path = single(args, "record");
  if (path !== undefined) {
    const { record } = await import("../record/index.js");
    const recording = record(engine, recordOptions(args, path));
    return { check: () => {}, close: () => recording.close() };
  }
  const seen = new Set<object>();
  const specs = hookSpecs(args);
  const subscriptions = specs.map((spec) =>
    engine.hooks.on(spec, (event, site) => {
      seen.add(spec);
      return printEventBeside(event, site);
    }),
  );
  const check = () => {
    const unused = specs.find((spec) => !seen.has(spec))?.match;
    if (unused === undefined) return;
    const option = "label" in unused ? `--hook "${unused.label}"` : `--probe "${unused.probe}"`;
    throw new UsageError(`${option} matches nothing in the model`);
  };
  const close = () => {
    for (const subscription of subscriptions) subscription.close();
  };
  return { check, close };
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
