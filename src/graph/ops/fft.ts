import { formatType } from "../../tensor/dtype.js";
import {
  checkAxes,
  checkAxis,
  checkRange,
  checkRank,
  checkShape,
  has,
  input,
  int,
  ints,
  MAX_SIZE,
  refuse,
} from "./guards.js";
import { optional } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

/** Parts that a reflecting pad is put together from: each takes a few nodes. */
const MAX_REFLECTIONS = 1024;

/** What a transform is between. */
type Kind = "complex" | "from real" | "to real";

/** Checks the sizes along the transformed axes, given or as they are. */
function checkTransform(
  call: OpCall,
  kind: Kind,
  axes: readonly number[],
  given: readonly number[] | undefined,
): void {
  const type = input(call, 0);
  if (axes.length === 0) refuse(call, "axis_invalid", "there are no axes", "one or more");
  if (given !== undefined && given.length !== axes.length) {
    refuse(
      call,
      "attribute_invalid",
      `s has ${given.length} sizes for ${axes.length} axes`,
      "one for each axis",
    );
  }
  const shape = [...type.shape];
  for (const [index, axis] of axes.entries()) {
    const halved = kind === "to real" && index === axes.length - 1;
    const own = type.shape[axis] as number;
    const size = given?.[index] ?? (halved ? 2 * (own - 1) : own);
    if (given === undefined && size < 1) {
      refuse(
        call,
        "shape_invalid",
        `axis ${axis} of ${formatType(type)} is too short`,
        `${halved ? 2 : 1} elements or more`,
      );
    }
    checkRange(call, "the size of a transform", size, 1, MAX_SIZE);
    shape[axis] = size;
  }
  checkShape(call, "the result", shape);
}

const single = (kind: Kind) => (call: OpCall) => {
  const axis = checkAxis(call, "axis", int(call, "axis"), input(call, 0).shape.length);
  checkTransform(call, kind, [axis], has(call, "n") ? [int(call, "n")] : undefined);
};

const several =
  (kind: Kind, least = 1) =>
  (call: OpCall) => {
    const type = input(call, 0);
    const rank = type.shape.length;
    checkRank(call, type, least);
    const axes = checkAxes(call, "axes", rank);
    checkTransform(call, kind, axes, has(call, "s") ? ints(call, "s") : undefined);
  };

function shiftGuard(call: OpCall): void {
  const rank = input(call, 0).shape.length;
  for (const axis of has(call, "axes") ? ints(call, "axes") : [])
    checkAxis(call, "axes", axis, rank);
}

function frequencyGuard(call: OpCall): void {
  checkRange(call, "n", int(call, "n"), 1, MAX_SIZE);
  if (call.attributes.d === 0) refuse(call, "attribute_invalid", "d is 0", "another number");
}

/** Checks the window's length and the hop, which have defaults by the transform's size. */
function checkFrames(call: OpCall, size: number): number {
  if (has(call, "win_length")) checkRange(call, "win_length", int(call, "win_length"), 1, size);
  const window = optional(call, 1);
  if (window !== undefined) {
    checkRange(call, "the length of the window", window.shape[0] ?? 0, 1, size);
    if (window.shape.length !== 1) {
      refuse(call, "shape_invalid", `the window is ${formatType(window)}`, "a vector");
    }
  }
  const hop = has(call, "hop_length") ? int(call, "hop_length") : Math.floor(size / 4);
  return checkRange(call, "hop_length", hop, 1, MAX_SIZE);
}

function stftGuard(call: OpCall): void {
  const type = input(call, 0);
  checkRank(call, type, 1);
  const size = checkRange(call, "n_fft", int(call, "n_fft"), 1, 2 ** 30);
  const hop = checkFrames(call, size);
  const length = type.shape.at(-1) as number;
  const centered = call.attributes.center === true;
  const padded = centered ? length + 2 * Math.floor(size / 2) : length;
  if (length === 0 || padded < size) {
    refuse(call, "shape_invalid", `${formatType(type)} is shorter than a frame of ${size}`);
  }
  const reflects = centered && call.attributes.pad_mode === "reflect";
  if (reflects && size / 2 > MAX_REFLECTIONS * Math.max(length - 1, 1)) {
    refuse(
      call,
      "value_too_large",
      `n_fft is ${size} for a signal of ${length}`,
      `at most ${2 * MAX_REFLECTIONS} times as much`,
    );
  }
  const frames = Math.floor((padded - size) / hop) + 1;
  checkShape(call, "the frames", [...type.shape.slice(0, -1), frames, size]);
}

/** MLX lists the place of every element of every frame when the op is built: this many take some six seconds. */
const MAX_FRAME_ELEMENTS = 2 ** 28;

function istftGuard(call: OpCall): void {
  const type = input(call, 0);
  checkRank(call, type, 2);
  const [bins, frames] = type.shape.slice(-2) as [number, number];
  const inferred = call.attributes.onesided === false ? bins : 2 * (bins - 1);
  const given = has(call, "n_fft") ? int(call, "n_fft") : inferred;
  const size = checkRange(call, "n_fft", given, 1, 2 ** 30);
  const hop = checkFrames(call, size);
  if (frames === 0)
    refuse(call, "shape_invalid", `${formatType(type)} has no frames`, "one or more");
  if (has(call, "length")) checkRange(call, "length", int(call, "length"), 0, MAX_SIZE);
  checkShape(call, "the result", [...type.shape.slice(0, -2), size + hop * (frames - 1)]);
  checkShape(call, "the frames", [...type.shape.slice(0, -2), frames, Math.max(size, hop)]);
  if (frames * size > MAX_FRAME_ELEMENTS) {
    const found = `${frames} frames of ${size} elements`;
    refuse(call, "value_too_large", found, `at most ${MAX_FRAME_ELEMENTS} elements in all frames`);
  }
}

const NORM = {
  kind: "string",
  default: "backward",
  values: ["backward", "ortho", "forward"],
  doc: "Which direction is scaled by the number of elements.",
} as const;
const SINGLE = {
  n: {
    kind: "int",
    optional: true,
    doc: "The size of the transform: what is longer is cut, what is shorter is filled with zeros.",
  },
  axis: { kind: "int", default: -1, doc: "The axis." },
  norm: NORM,
} as const;
const SIZES = {
  kind: "ints",
  optional: true,
  doc: "The sizes of the transform, one for each axis.",
} as const;
const TWO = {
  s: SIZES,
  axes: { kind: "ints", default: [-2, -1], doc: "The two axes." },
  norm: NORM,
} as const;
const MANY = {
  s: SIZES,
  axes: { kind: "ints", optional: true, doc: "The axes; all of them." },
  norm: NORM,
} as const;

const one = <const D extends string>(doc: D, kind: Kind) =>
  ({ doc, operands: ["a"], work: "transform", attributes: SINGLE, guard: single(kind) }) as const;
const two = <const D extends string>(doc: D, kind: Kind) =>
  ({ doc, operands: ["a"], work: "transform", attributes: TWO, guard: several(kind, 2) }) as const;
const many = <const D extends string>(doc: D, kind: Kind) =>
  ({ doc, operands: ["a"], work: "transform", attributes: MANY, guard: several(kind) }) as const;
const shift = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["a"],
    attributes: { axes: { kind: "ints", optional: true, doc: "The axes; all of them." } },
    guard: shiftGuard,
  }) as const;
const frequencies = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: [],
    attributes: {
      n: { kind: "int", doc: "The size of the transform." },
      d: { kind: "float", default: 1, doc: "The time between samples." },
    },
    guard: frequencyGuard,
  }) as const;

const FRAMES = {
  hop_length: { kind: "int", optional: true, doc: "Samples between frames; a quarter of `n_fft`." },
  win_length: { kind: "int", optional: true, doc: "The window's length; `n_fft`." },
  center: { kind: "bool", default: true, doc: "Whether frames are centered on samples." },
  norm: NORM,
} as const;

/** Fourier transforms, in float32 and complex64. */
export const FFT = {
  "fft.fft": one("The discrete Fourier transform along an axis.", "complex"),
  "fft.ifft": one("The inverse of `fft.fft`.", "complex"),
  "fft.rfft": one("The transform of real values along an axis: half of the spectrum.", "from real"),
  "fft.irfft": one("The inverse of `fft.rfft`.", "to real"),
  "fft.fft2": two("The discrete Fourier transform over two axes.", "complex"),
  "fft.ifft2": two("The inverse of `fft.fft2`.", "complex"),
  "fft.rfft2": two("The transform of real values over two axes.", "from real"),
  "fft.irfft2": two("The inverse of `fft.rfft2`.", "to real"),
  "fft.fftn": many("The discrete Fourier transform over several axes.", "complex"),
  "fft.ifftn": many("The inverse of `fft.fftn`.", "complex"),
  "fft.rfftn": many("The transform of real values over several axes.", "from real"),
  "fft.irfftn": many("The inverse of `fft.rfftn`.", "to real"),
  "fft.fftshift": shift("A spectrum with frequency zero moved to the middle."),
  "fft.ifftshift": shift("The inverse of `fft.fftshift`."),
  "fft.fftfreq": frequencies("The frequencies of `fft.fft`'s results."),
  "fft.rfftfreq": frequencies("The frequencies of `fft.rfft`'s results."),
  "fft.stft": {
    doc: "The short-time Fourier transform of the last axis: [..., frequencies, frames].",
    operands: ["x", "window?"],
    work: "transform",
    attributes: {
      n_fft: { kind: "int", default: 2048, doc: "The size of a frame." },
      ...FRAMES,
      pad_mode: {
        kind: "string",
        default: "reflect",
        values: ["reflect", "constant", "edge"],
        doc: "What is put at both ends where frames are centered.",
      },
      onesided: {
        kind: "bool",
        optional: true,
        doc: "Whether only frequencies from 0 on are kept; so for real values.",
      },
    },
    guard: stftGuard,
  },
  "fft.istft": {
    doc: "The inverse of `fft.stft`.",
    operands: ["stft_matrix", "window?"],
    work: "transform",
    attributes: {
      n_fft: { kind: "int", optional: true, doc: "The size of a frame; by the frequencies." },
      ...FRAMES,
      onesided: {
        kind: "bool",
        default: true,
        doc: "Whether only frequencies from 0 on are there.",
      },
      length: { kind: "int", optional: true, doc: "The length that the result is brought to." },
    },
    guard: istftGuard,
  },
} as const satisfies OpFamily;
