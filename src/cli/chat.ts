import { createInterface } from "node:readline";
import type { ChatMessage, GenerateOptions, Generator } from "../models/index.js";
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
    prompt();
    for await (const line of messagesFromUser) {
      if (line.trim() !== "") {
        messages.push({ role: "user", content: line });
        messages.push(await answer(generator, messages, sampling));
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
  sampling: GenerateOptions,
): Promise<ChatMessage> {
  let content = "";
  await interruptible(async (signal) => {
    try {
      for await (const { text } of generator.chat(messages, { ...sampling, signal })) {
        content += text;
        process.stdout.write(text);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
  process.stdout.write("\n");
  return { role: "assistant", content };
}
