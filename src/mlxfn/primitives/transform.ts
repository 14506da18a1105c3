import type { TensorType } from "../../tensor/dtype.js";
import { type Lowering, type Lowerings, to } from "./call.js";

const fourier: Lowering = (call) => {
  const { inverse, real } = call.state;
  const axes = call.state.axes as number[];
  const { shape } = call.outputTypes[0] as TensorType;
  const op = `fft.${inverse === true ? "i" : ""}${real === true ? "r" : ""}fftn`;
  // The size of the last axis cannot be seen in half a spectrum.
  const sizes = op === "fft.irfftn" ? { s: axes.map((axis) => shape[axis] as number) } : {};
  return call.add(op, call.inputs, { axes, ...sizes });
};

/** Primitives that make numbers, transform signals, and take matrices apart. */
export const TRANSFORM: Lowerings = {
  Arange: to("arange", ({ state, outputTypes: [type] }) => ({
    start: state.start as number,
    stop: state.stop as number,
    step: state.step as number,
    dtype: type?.dtype as string,
  })),
  Cholesky: to("linalg.cholesky", ({ state }) => ({ upper: state.upper as boolean })),
  Eig: (call) => to(call.state.vectors === true ? "linalg.eig" : "linalg.eigvals")(call),
  Eigh: (call) =>
    to(call.state.vectors === true ? "linalg.eigh" : "linalg.eigvalsh", ({ state }) => ({
      UPLO: state.uplo as string,
    }))(call),
  FFT: fourier,
  Inverse: (call) =>
    call.state.triangular === true
      ? call.add("linalg.tri_inv", call.inputs, { upper: call.state.upper as boolean })
      : call.add("linalg.inv", call.inputs),
  QRF: to("linalg.qr"),
  RandomBits: to("random.bits", ({ state }) => ({
    shape: state.shape as number[],
    width: state.width as number,
  })),
  SVD: to("linalg.svd", ({ state }) => ({ compute_uv: state.vectors as boolean })),
};
