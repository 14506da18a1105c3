import { type Engine, Linear, Module, mx, type Traced } from "../../src/index.js";

/** A perceptron of two layers, with modules in a list and one in an object. */
export class Perceptron extends Module {
  readonly layers: Linear[];
  readonly rest: { readonly head: Linear };

  constructor(engine: Engine, [inputs, hidden, outputs]: readonly [number, number, number]) {
    super();
    const layer = (from: number, to: number) => {
      const weight = Array.from({ length: to }, (_, row) =>
        Array.from({ length: from }, (_, column) => Math.sin(1 + row * from + column)),
      );
      return new Linear(engine.tensor(weight), engine.tensor(new Float32Array(to)));
    };
    this.layers = [layer(inputs, hidden), layer(hidden, hidden)];
    this.rest = { head: layer(hidden, outputs) };
  }

  forward(x: Traced): Traced {
    const hidden = this.layers.reduce((value, layer) => mx.tanh(layer.forward(value)), x);
    return this.rest.head.forward(hidden);
  }

  /** A method beside forward, which a materialized one has too. */
  outputs(): number {
    return this.rest.head.weight.shape[0] as number;
  }
}

/** The names of a {@link Perceptron}'s parameters. */
export const NAMES = [
  ...["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"],
  ...["rest.head.weight", "rest.head.bias"],
];
