import { atLeast, type Figure, type Figures, type Measured } from "../figure.js";
import { interleave, overRounds, UNTIL_ASLEEP } from "../rounds.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

const TOKENS = 32;
const PROMPT = 512;

/** Measures the engine in turn with llama.cpp, where this machine has it. */
async function besideLlama(
  tools: Tools,
  [ours, theirs, ...numbers]: readonly [string, string, ...number[]],
  unit: (time: number) => number,
): Promise<Measured> {
  const node = tools.worker("node");
  const peers = tools.worker("peers");
  const engine = () => node.measure(ours, ...numbers);
  if ((await peers.measure(theirs, ...numbers)).length === 0) {
    const rounds = await interleave(3, { engine }, UNTIL_ASLEEP);
    const lacking = "there is no llama.cpp; `npm run bench -- --peers` builds it";
    return { value: unit(median(rounds.engine)), lacking };
  }
  const llama = () => peers.measure(theirs, ...numbers);
  const rounds = await interleave(4, { engine, llama }, UNTIL_ASLEEP);
  return {
    value: unit(median(rounds.engine)),
    floor: unit(median(rounds.llama)),
    ratio: overRounds(rounds, (round) => unit(round.engine) / unit(round.llama)),
  };
}

const perSecond = (tokens: number) => (time: number) => (tokens * 1e6) / time;

const figure = (
  about: string,
  measure: (tools: Tools) => Promise<Measured>,
  rest: Pick<Figure, "unit" | "target">,
) =>
  ({
    about: `${about} of SmolLM2-135M-Instruct (Q4_1); beside llama.cpp on the same file with as many threads`,
    measure,
    ...rest,
  }) satisfies Figure;

export const generateFigures: Figures = {
  "generate.decode": figure(
    `${TOKENS} tokens, one after the other,`,
    (tools) => besideLlama(tools, ["generateDecode", "llama.decode", TOKENS], perSecond(1)),
    { unit: "1/s", target: atLeast("ratio", 1) },
  ),
  "generate.prefill": figure(
    `a prompt of ${PROMPT} tokens`,
    (tools) => besideLlama(tools, ["generatePrefill", "llama.prefill", PROMPT], perSecond(PROMPT)),
    { unit: "1/s", target: atLeast("ratio", 0.8) },
  ),
  "generate.ready": figure(
    "a new process with the weights and the tokenizer",
    (tools) => besideLlama(tools, ["generateReady", "llama.ready"], (time) => time / 1000),
    { unit: "ms" },
  ),
};
