import { smallerBytes } from "../bytes/smaller.js";
import { type CampaignKind, INLINE, THREADS } from "../campaign.js";
import type { Fill } from "../graphs/fill.js";
import { printRecipe } from "../graphs/print-recipe.js";
import type { Recipe } from "../graphs/recipe.js";
import { smallerRecipes } from "../graphs/smaller.js";
import { literal } from "../literal.js";
import type { Stream } from "../messages/draw-stream.js";
import { smallerStreams } from "../messages/smaller.js";
import type { FileCase } from "./files.js";
import { isFar } from "./reference-rules.js";

/** Ops whose results jump where an operand changes by a last digit. */
const JUMPS = new Set(
  (
    "argmax argmin argpartition argsort ceil divmod equal floor floor_divide greater greater_equal less less_equal " +
    "not_equal remainder round sign"
  ).split(" "),
);

/** Styles of data without infinities and values near them. */
const CALM: ReadonlySet<Fill["style"]> = new Set(["zeros", "ones", "counting", "tame", "wide"]);

const graphs: CampaignKind<Recipe> = {
  name: "graphs",
  about: "graphs drawn from the op table, in both ways in which streams run",
  setups: [INLINE, THREADS],
  kernels: {
    isCalm: ({ body, fills }) =>
      fills.every(({ style }) => CALM.has(style)) &&
      !body.nodes.some(({ op, attributes }) => JUMPS.has(op) || isFar(attributes)),
    nudged: (recipe) => ({
      ...recipe,
      fills: recipe.fills.map((fill) => ({ ...fill, nudged: true })),
    }),
  },
  smaller: smallerRecipes,
  likeness: ({ body, wraps }) =>
    [...wraps.map(({ kind }) => kind), ...body.nodes.map(({ op }) => op)].sort().join(" "),
  print: printRecipe,
};

const ops: CampaignKind<Recipe> = {
  ...graphs,
  name: "ops",
  about: "single ops, their results compared with Python MLX",
  setups: [INLINE],
};

const files: CampaignKind<FileCase> = {
  name: "files",
  about: "broken .npy, .npz, .safetensors, .gguf and .mlxfn files, recordings and graphs",
  setups: [INLINE],
  *smaller({ format, bytes }) {
    for (const fewer of smallerBytes(bytes)) yield { format, bytes: fewer };
  },
  likeness: ({ format }) => format,
  print: ({ format, bytes }) =>
    `    file: ${literal(`case.${format}`)},\n    bytes: ${literal(bytes)},`,
};

const messages: CampaignKind<Stream> = {
  name: "messages",
  about: "sessions of clients that make mistakes, over frames and the bulk socket",
  setups: [INLINE],
  smaller: smallerStreams,
  likeness: ({ chunks }) => Buffer.concat(chunks).toString("hex"),
  print: ({ chunks, bulk }) =>
    [
      `    stream: ${literal(Uint8Array.from(Buffer.concat(chunks)))},`,
      ...(bulk === undefined ? [] : [`    bulk: ${literal(bulk)},`]),
    ].join("\n"),
};

/** All campaigns. */
export const KINDS: readonly CampaignKind<unknown>[] = [graphs, ops, files, messages];
