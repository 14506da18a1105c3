import { mx, type Traced } from "../../trace/index.js";

/** Activations, by the names that Hugging Face has for them. */
export const ACTIVATIONS = {
  /** The exact GELU. */
  gelu: (x: Traced): Traced =>
    mx.multiply(mx.multiply(x, 0.5), mx.add(mx.erf(mx.multiply(x, Math.SQRT1_2)), 1)),
  gelu_new: geluOfTanh,
  gelu_pytorch_tanh: geluOfTanh,
  relu: (x: Traced): Traced => mx.maximum(x, 0),
  silu: (x: Traced): Traced => mx.multiply(x, mx.sigmoid(x)),
} as const;

/** The name of an activation. */
export type Activation = keyof typeof ACTIVATIONS;

/** Tells the name of an activation. */
export function isActivation(name: unknown): name is Activation {
  return typeof name === "string" && Object.hasOwn(ACTIVATIONS, name);
}

function geluOfTanh(x: Traced): Traced {
  const cubed = mx.multiply(mx.multiply(mx.multiply(x, x), x), 0.044715);
  const inner = mx.multiply(mx.add(x, cubed), Math.sqrt(2 / Math.PI));
  return mx.multiply(mx.multiply(x, 0.5), mx.add(mx.tanh(inner), 1));
}
