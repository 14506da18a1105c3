import type { GivenGraph } from "../../fuzz/campaigns/given.js";

/** A case that the fuzzer found, as it prints them. */
export type Found = { readonly title: string } & (
  | GivenGraph
  | { readonly file: string; readonly bytes: Uint8Array }
  | { readonly stream: Uint8Array; readonly bulk?: Uint8Array }
);

/** Cases that killed, hung, leaked or differed once. integration/fuzz.test.ts runs them. */
export const FOUND: readonly Found[] = [
  {
    title: "graphs 5317: died: SIGSEGV: a masked product over an inner axis of size 0",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "float32", shape: [33] },
            { dtype: "float32", shape: [33, 0] },
            { dtype: "float32", shape: [] },
          ],
          nodes: [{ op: "block_masked_mm", inputs: [0, 1, -1, -1, 2], attributes: {}, outputs: 1 }],
          results: [3],
        },
      ],
    },
    inputs: [new Uint8Array(132), new Uint8Array(0), new Uint8Array(4)],
  },
  {
    title: "graphs 32291: died: SIGSEGV: the derivative of a product over an inner axis, empty",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "float16", shape: [] },
            { dtype: "float16", shape: [7] },
            { dtype: "float16", shape: [4, 7, 0] },
            { dtype: "float16", shape: [4, 0] },
          ],
          nodes: [
            {
              op: "vjp",
              inputs: [0, 1, 2, 3],
              attributes: { function: 1, wrt: [0, 1, 2] },
              outputs: 4,
            },
          ],
          results: [4, 5, 6, 7],
        },
        {
          name: "f1",
          parameters: [
            { dtype: "float16", shape: [] },
            { dtype: "float16", shape: [7] },
            { dtype: "float16", shape: [4, 7, 0] },
          ],
          nodes: [{ op: "addmm", inputs: [0, 1, 2], attributes: {}, outputs: 1 }],
          results: [3],
        },
      ],
    },
    inputs: [new Uint8Array(2), new Uint8Array(14), new Uint8Array(0), new Uint8Array(0)],
  },
  {
    title: "graphs 51485: hung: the derivative of a convolution whose stride leaves the input",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "float32", shape: [1, 3, 4, 1] },
            { dtype: "float32", shape: [1, 2, 1, 1] },
            { dtype: "float32", shape: [1, 1, 1, 1] },
          ],
          nodes: [
            {
              op: "vjp",
              inputs: [0, 1, 2],
              attributes: { function: 1, wrt: [0, 1] },
              outputs: 3,
            },
          ],
          results: [3, 4, 5],
        },
        {
          name: "f1",
          parameters: [
            { dtype: "float32", shape: [1, 3, 4, 1] },
            { dtype: "float32", shape: [1, 2, 1, 1] },
          ],
          nodes: [
            {
              op: "conv2d",
              inputs: [0, 1],
              attributes: { stride: [2147483646], dilation: [1, 2147483646] },
              outputs: 1,
            },
          ],
          results: [2],
        },
      ],
    },
    inputs: [new Uint8Array(48), new Uint8Array(8), new Uint8Array(4)],
  },
  {
    title: "graphs 1002787: died: SIGSEGV: the derivative of a masked scatter of too few elements",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "float16", shape: [64, 8] },
            { dtype: "bool", shape: [64, 8] },
            { dtype: "float32", shape: [1] },
            { dtype: "float16", shape: [64, 8] },
          ],
          nodes: [
            {
              op: "vjp",
              inputs: [0, 1, 2, 3],
              attributes: { function: 1, wrt: [2] },
              outputs: 2,
            },
          ],
          results: [4, 5],
        },
        {
          name: "f1",
          parameters: [
            { dtype: "float16", shape: [64, 8] },
            { dtype: "bool", shape: [64, 8] },
            { dtype: "float32", shape: [1] },
          ],
          nodes: [{ op: "masked_scatter", inputs: [0, 1, 2], attributes: {}, outputs: 1 }],
          results: [3],
        },
      ],
    },
    inputs: [
      new Uint8Array(1024),
      new Uint8Array(512).fill(1),
      new Uint8Array(4),
      new Uint8Array(1024),
    ],
  },
  {
    title:
      "graphs 2005130: died: SIGSEGV: the derivative of a scatter by updates of their own shape",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "complex64", shape: [16, 9, 2] },
            { dtype: "float32", shape: [6, 0, 0, 0] },
            { dtype: "uint16", shape: [6] },
            { dtype: "complex64", shape: [16, 9, 2] },
          ],
          nodes: [
            {
              op: "vjp",
              inputs: [0, 1, 2, 3],
              attributes: { function: 1, wrt: [0, 1] },
              outputs: 3,
            },
          ],
          results: [4, 5, 6],
        },
        {
          name: "f1",
          parameters: [
            { dtype: "complex64", shape: [16, 9, 2] },
            { dtype: "float32", shape: [6, 0, 0, 0] },
            { dtype: "uint16", shape: [6] },
          ],
          nodes: [{ op: "scatter_add", inputs: [0, 1, 2], attributes: { axes: [2] }, outputs: 1 }],
          results: [3],
        },
      ],
    },
    inputs: [new Uint8Array(2304), new Uint8Array(0), new Uint8Array(12), new Uint8Array(2304)],
  },
  {
    title:
      "graphs 11025699: died: SIGSEGV: the tangent of irfftn to an odd size was one element short",
    graph: {
      functions: [
        {
          name: "main",
          parameters: [
            { dtype: "float32", shape: [0, 0, 0, 0] },
            { dtype: "float32", shape: [0, 0, 0, 0] },
          ],
          nodes: [{ op: "jvp", inputs: [0, 1], attributes: { function: 1, wrt: [0] }, outputs: 2 }],
          results: [2, 3],
        },
        {
          name: "f1",
          parameters: [{ dtype: "float32", shape: [0, 0, 0, 0] }],
          nodes: [
            { op: "fft.irfftn", inputs: [0], attributes: { s: [5, 3, 1, 5] }, outputs: 1 },
            {
              op: "unique",
              inputs: [1],
              attributes: { size: 2, return_index: true },
              outputs: 2,
            },
          ],
          results: [2],
        },
      ],
    },
    inputs: [new Uint8Array(0), new Uint8Array(0)],
  },
];
