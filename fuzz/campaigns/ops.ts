import { Engine } from "../../src/engine/engine.js";
import { difference } from "../../test/support/compare.js";
import { type Answer, Reference } from "../../test/support/reference.js";
import type { Campaign } from "../campaign.js";
import { buildGraph } from "../graphs/build.js";
import { drawSingle } from "../graphs/draw-body.js";
import { OP_NAMES } from "../graphs/draw-node.js";
import type { BodyNode, Recipe } from "../graphs/recipe.js";
import { programInputs, runGraph } from "../graphs/run-graph.js";
import { Types } from "../graphs/types.js";
import type { Outcome, Value } from "../outcome.js";
import { Random } from "../random.js";
import { SettledMemory } from "../settled-memory.js";
import { comparable, differsOnPurpose, toleranceOf } from "./reference-rules.js";

/** Milliseconds after which Python MLX is taken to be stuck. */
const PATIENCE = 5000;
const PATIENCE_AT_START = 20_000;
const NO_ANSWER = { error: "Python MLX ended or did not come back" };

/** Single ops on data that their results say something about, compared with Python MLX. */
export function opCampaign(): Campaign<Recipe> {
  const engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 29, cacheLimit: 0 });
  const memory = new SettledMemory(engine);
  const reference = new PatientReference();
  return {
    draw: (seed, onStep) => {
      const random = new Random(seed);
      const body = drawSingle(new Types(random, onStep), random.pick(OP_NAMES));
      if (body === undefined) return undefined;
      return { body, wraps: [], fills: [{ style: "tame", seed }], subscriptions: [] };
    },
    run: async (recipe) => {
      const ours = await runGraph(engine, buildGraph(recipe), recipe.fills, [], true);
      if (ours.kind !== "ok") return ours;
      const [node] = recipe.body.nodes as [BodyNode];
      if (differsOnPurpose(node, recipe.body)) return ours;
      const values = programInputs(recipe.body.parameters, recipe.fills);
      const inputs = node.inputs.map((ref) =>
        ref !== null && "parameter" in ref
          ? comparable(node, values[ref.parameter] as Value)
          : null,
      );
      const theirs = await reference.call(node.op, inputs, node.attributes);
      return compare(ours, theirs, node);
    },
    settle: () => memory.leak(),
    close: async () => {
      reference.close();
      await engine.close();
    },
  };
}

/** What Python refuses is no counterpart. */
function compare(ours: Extract<Outcome, { kind: "ok" }>, theirs: Answer, node: BodyNode): Outcome {
  if ("error" in theirs) return { kind: "error", code: "no_counterpart", message: theirs.error };
  const values = (ours.values ?? []).map((value) => comparable(node, value));
  const problem =
    values.length === theirs.length
      ? values
          .map((value, index) => difference(value, theirs[index] as Value, toleranceOf(value)))
          .find((one) => one !== undefined)
      : `${values.length} results instead of ${theirs.length}`;
  if (problem === undefined) return { kind: "ok", digest: "" };
  return { kind: "found", what: "differs from the reference", detail: `${node.op}: ${problem}` };
}

/** Python MLX, which dies and hangs of what ours has to survive, and is begun anew then. */
class PatientReference {
  #reference: Reference | undefined;

  async call(...call: Parameters<Reference["call"]>): Promise<Answer> {
    if (this.#reference === undefined && !(await this.#begin())) return NO_ANSWER;
    return await this.#answer(PATIENCE, call);
  }

  close(): void {
    this.#reference?.close();
    this.#reference = undefined;
  }

  /** Begins it; says whether it answers. */
  async #begin(): Promise<boolean> {
    this.#reference = new Reference();
    const one = { type: { dtype: "int32", shape: [] }, bytes: new Uint8Array(4) } as const;
    return (await this.#answer(PATIENCE_AT_START, ["abs", [one], {}])) !== NO_ANSWER;
  }

  async #answer(patience: number, call: Parameters<Reference["call"]>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Answer>((resolve) => {
      timer = setTimeout(() => resolve(NO_ANSWER), patience);
    });
    const answer = this.#reference?.call(...call).catch(() => NO_ANSWER) ?? late;
    const first = await Promise.race([answer, late]);
    clearTimeout(timer);
    if (first === NO_ANSWER) this.close();
    return first;
  }
}
