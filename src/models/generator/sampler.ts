import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { mersenne } from "pure-rand/generator/mersenne";
import { DavitError } from "../../error.js";
import type { Tensor } from "../../native-tensor.js";
import { show } from "../../show.js";
import type { Scores } from "./context.js";

/** How the next token is chosen by the scores. */
export interface SamplingOptions {
  /** What scores are divided by: less than 1 for likelier tokens. 0, the default, always takes the likeliest. */
  readonly temperature?: number;
  /** Chooses among so many of the likeliest. All by default. */
  readonly topK?: number;
  /** Chooses among the fewest of the likeliest that have this probability together, from 0 to 1. 1 by default. */
  readonly topP?: number;
  /** What the scores of tokens that were there already are divided by, or multiplied with below 0. 1, the default, changes nothing. */
  readonly repetitionPenalty?: number;
  /** A whole number: the same one chooses the same tokens. By default another one each time. */
  readonly seed?: number;
}

/** Chooses tokens by their scores. */
export class Sampler {
  readonly #temperature: number;
  readonly #topK: number;
  readonly #topP: number;
  readonly #penalty: number;
  readonly #random: () => number;

  /** @throws DavitError `option_invalid` */
  constructor(options: SamplingOptions = {}) {
    this.#temperature = inRange(options, "temperature", 0, 0, 100);
    this.#topK = inRange(options, "topK", 2 ** 31, 1, 2 ** 31);
    this.#topP = inRange(options, "topP", 1, 0, 1);
    this.#penalty = inRange(options, "repetitionPenalty", 1, 0.01, 100);
    const seed = inRange(options, "seed", Math.floor(Math.random() * 2 ** 31), 0, 2 ** 31);
    const generator = mersenne(seed);
    this.#random = () => uniformFloat64(generator);
  }

  /** As {@link Sampler.next}, of the results of a step. They are read only where the likeliest token is not enough. @internal */
  nextOf({ scores, likeliest }: Scores<Tensor>, seen: ReadonlySet<number>): number {
    if (this.#temperature > 0 || this.#penalty !== 1) {
      return this.next(scores.view() as Float32Array, seen);
    }
    return (likeliest.view() as Uint32Array)[0] as number;
  }

  /** Returns the next token; `seen` are those that were there already. */
  next(logits: Float32Array, seen: ReadonlySet<number>): number {
    const scores = this.#penalty === 1 ? logits : this.#penalized(logits, seen);
    if (this.#temperature === 0) return likeliest(scores);
    const candidates = this.#candidates(scores);
    let left = this.#random() * candidates.reduce((sum, { weight }) => sum + weight, 0);
    for (const { token, weight } of candidates) {
      left -= weight;
      if (left <= 0) return token;
    }
    // None of scores that are all NaN.
    return candidates.at(-1)?.token ?? likeliest(scores);
  }

  #penalized(logits: Float32Array, seen: ReadonlySet<number>): Float32Array {
    const scores = logits.slice();
    for (const token of seen) {
      const score = scores[token] as number;
      scores[token] = score > 0 ? score / this.#penalty : score * this.#penalty;
    }
    return scores;
  }

  /** The tokens to choose from, with weights in proportion to their probabilities; likeliest first where only some are. */
  #candidates(scores: Float32Array): Candidate[] {
    const greatest = scores[likeliest(scores)] as number;
    // Those below do not count in the sum.
    const least = greatest + this.#temperature * Math.log(1e-12);
    const candidates: Candidate[] = [];
    for (let token = 0; token < scores.length; token++) {
      const score = scores[token] as number;
      if (score >= least) {
        candidates.push({ token, weight: Math.exp((score - greatest) / this.#temperature) });
      }
    }
    if (this.#topK >= candidates.length && this.#topP >= 1) return candidates;
    candidates.sort((a, b) => b.weight - a.weight || a.token - b.token);
    candidates.length = Math.min(candidates.length, this.#topK);
    if (this.#topP >= 1) return candidates;
    const enough = this.#topP * candidates.reduce((sum, { weight }) => sum + weight, 0);
    let sum = 0;
    const last = candidates.findIndex(({ weight }) => {
      sum += weight;
      return sum >= enough;
    });
    return candidates.slice(0, last + 1);
  }
}

interface Candidate {
  readonly token: number;
  readonly weight: number;
}

/** The index of the greatest score; the first one of equal scores. NaN is never the greatest. */
function likeliest(scores: Float32Array): number {
  let best = 0;
  for (let token = 1; token < scores.length; token++) {
    if (!((scores[token] as number) <= (scores[best] as number))) {
      if (!Number.isNaN(scores[token])) best = token;
    }
  }
  return best;
}

function inRange(
  options: SamplingOptions,
  name: keyof SamplingOptions,
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = options[name] ?? otherwise;
  const whole = name === "topK" || name === "seed";
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const expected = `${whole ? "a whole number" : "a number"} from ${least} to ${most}`;
  throw new DavitError("option_invalid", `${name} is ${show(value)}; expected ${expected}`, {
    expected,
  });
}
