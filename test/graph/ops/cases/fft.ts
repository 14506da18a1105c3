import type { Attributes } from "../../../../src/graph/graph.js";
import { filled } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";

type Call = readonly [shape: readonly number[], attributes: Attributes];

/** Sums of products with sines: float32 in another order. */
const TOLERANCE = 1e-5;

const calls = (...list: readonly Call[]): OpCases => ({
  calls: (dtype) =>
    list.map(([shape, attributes]) => ({
      inputs: [filled(dtype, shape, "small")],
      attributes,
      tolerance: TOLERANCE,
    })),
});

const one = calls(
  [[8], {}],
  [[7], { norm: "ortho" }],
  [[3, 5], { axis: 0 }],
  [[3, 5], { n: 8 }],
  [[3, 5], { n: 3, norm: "forward" }],
  [[2, 3, 4], { axis: 1, n: 5 }],
  [[0, 4], {}],
  [[1], { n: 1 }],
);

const two = calls(
  [[4, 6], {}],
  [[3, 4, 5], { norm: "ortho" }],
  [[3, 4, 5], { axes: [0, 2], s: [4, 3] }],
  [[3, 4, 5], { axes: [1, 0] }],
  [[0, 3, 4], {}],
);

const many = calls(
  [[4, 6], {}],
  [[2, 3, 4], {}],
  [[2, 3, 4], { axes: [2] }],
  [[2, 3, 4], { axes: [0, -1], s: [3, 6], norm: "forward" }],
  [[5], {}],
);

const shift = calls(
  [[8], {}],
  [[3, 4, 5], {}],
  [[3, 4], { axes: [0] }],
  [[3, 4], { axes: [-1, 0] }],
  [[], {}],
  [[0, 2], {}],
);

const frequencies: OpCases = {
  dtypes: ["float32"],
  calls: () =>
    [{ n: 8 }, { n: 7 }, { n: 1 }, { n: 5, d: 0.25 }].map((attributes) => ({
      inputs: [],
      attributes,
    })),
};

/** Tests of the transforms alone do for the rest: a window, its length, and each kind of frame. */
const stft: OpCases = {
  calls: (dtype) =>
    (
      [
        [[20], null, { n_fft: 8 }],
        [[2, 20], 8, { n_fft: 8, hop_length: 3, center: false }],
        [[20], 5, { n_fft: 8, pad_mode: "constant", norm: "ortho" }],
        [[20], null, { n_fft: 8, win_length: 6, pad_mode: "edge", onesided: false }],
        [[9], null, { n_fft: 8, center: false }],
        [[0, 20], null, { n_fft: 8 }],
      ] as const
    ).map(([shape, window, attributes]) => ({
      inputs: [
        filled(dtype, shape, "small"),
        window === null ? null : filled("float32", [window], "positive", 2),
      ],
      attributes,
      tolerance: TOLERANCE,
    })),
};

const istft: OpCases = {
  calls: (dtype) =>
    (
      [
        [[5, 11], null, {}],
        [[2, 5, 6], 8, { hop_length: 2 }],
        [[5, 6], 6, { n_fft: 8, center: false }],
        [[5, 6], null, { n_fft: 9, length: 30 }],
        [[8, 6], null, { onesided: false, norm: "forward" }],
        [[0, 5, 6], null, {}],
      ] as const
    ).map(([shape, window, attributes]) => ({
      inputs: [
        filled(dtype, shape, "small"),
        window === null ? null : filled("float32", [window], "positive", 2),
      ],
      attributes,
      tolerance: TOLERANCE,
    })),
};

export const FFT_CASES: CaseTable = {
  "fft.fft": one,
  "fft.ifft": one,
  "fft.rfft": one,
  "fft.irfft": one,
  "fft.fft2": two,
  "fft.ifft2": two,
  "fft.rfft2": two,
  "fft.irfft2": two,
  "fft.fftn": many,
  "fft.ifftn": many,
  "fft.rfftn": many,
  "fft.irfftn": many,
  "fft.fftshift": shift,
  "fft.ifftshift": shift,
  "fft.fftfreq": frequencies,
  "fft.rfftfreq": frequencies,
  "fft.stft": stft,
  "fft.istft": istft,
};
