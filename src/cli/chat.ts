import { createInterface } from "node:readline";
import type { ChatMessage, GenerateOptions, Generator, PromptSnapshot } from "../models/index.js";
import { type Arguments, type Command, type ExitCode, single } from "./command.js";
import { ENGINE_HELP, ENGINE_OPTIONS, engineOptions } from "./engine-options.js";
import { interruptible } from "./interrupt.js";
import { SAMPLING_HELP, SAMPLING_OPTIONS, samplingOptions } from "./sampling-options.js";

/** `davit chat`: a conversation on the terminal. */
export const chat: Command = {
  summary: "talk to a language model",
  help: `Usage: davit chat MODEL [OPTIONS]

Talks to a language model: each line of the standard input is a message, and is answered as tokens come. MODEL is a GGUF
file or a Hugging Face folder of Llama's family.

  --system TEXT               what the model is to be
${SAMPLING_HELP}
${ENGINE_HELP}
  --help                      this text

Ctrl+C ends an answer, Ctrl+D the conversation. Exit codes: 0 done, 1 failed, 2 called wrongly.

Example: davit chat SmolLM2-135M-Instruct.Q4_1.gguf --temperature 0.7`,
  options: { system: { type: "string" }, ...SAMPLING_OPTIONS, ...ENGINE_OPTIONS },
  positionals: ["MODEL"],
  run: talk,
};

async function talk(args: Arguments): Promise<ExitCode> {
  const options = engineOptions(args);
  const sampling = samplingOptions(args);
  const system = single(args, "system");
  const [{ Engine }, { Generator, Sampler }] = await Promise.all([
    import("../engine/engine.js"),
    import("../models/index.js"),
  ]);
  new Sampler(sampling);
  const engine = Engine.create(options);
  const lines = createInterface({ input: process.stdin });
  // Lines that come while the model is read are kept.
  const messagesFromUser = lines[Symbol.asyncIterator]();
  const prompt = () => {
    if (process.stdin.isTTY) process.stdout.write("> ");
  };
  try {
    const generator = await Generator.open(engine, args.positionals[0] as string);
    const messages: ChatMessage[] =
      system === undefined ? [] : [{ role: "system", content: system }];
    let snapshot: PromptSnapshot | undefined;
    prompt();
    for await (const line of messagesFromUser) {
      if (line.trim() !== "") {
        messages.push({ role: "user", content: line });
        // What was said before is not computed again.
        const said = await answer(generator, messages, {
          ...sampling,
          ...(snapshot && { snapshot }),
        });
        messages.push({ role: "assistant", content: said.content });
        if (said.snapshot !== undefined) {
          snapshot?.dispose();
          snapshot = said.snapshot;
        }
      }
      prompt();
    }
    return 0;
  } finally {
    lines.close();
    await engine.close();
  }
}

/** Prints the answer as it comes, and returns it. Ctrl+C ends it: the answer is what came until then. */
async function answer(
  generator: Generator,
  messages: readonly ChatMessage[],
  options: GenerateOptions,
): Promise<{ content: string; snapshot?: PromptSnapshot }> {
  const said: { content: string; snapshot?: PromptSnapshot } = { content: "" };
  await interruptible(async (signal) => {
    const tokens = generator.chat(messages, { ...options, keep: true, signal });
    try {
      for (;;) {
        const { done, value } = await tokens.next();
        if (done) {
          if (value.snapshot !== undefined) said.snapshot = value.snapshot;
          break;
        }
        said.content += value.text;
        process.stdout.write(value.text);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
  process.stdout.write("\n");
  return said;
}
