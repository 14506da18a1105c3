import { forLoop, hook, label, mx, type Traced, valueAndGrad } from "davit-engine";

const CLASSES = 3;
const HIDDEN = 8;

/** Points in the plane, and which class each is of, one-hot. */
export interface Points {
  readonly x: number[][];
  readonly y: number[][];
}

/** Three clouds of points, the same every time, in inches; but somebody measured point 17 in millimetres. */
export function points(): Points {
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const corners = { across: [0, 0, 1], up: [0, 1, 0] };
  const x: number[][] = [];
  const y: number[][] = [];
  for (let n = 0; n < 48; n++) {
    const own = n % CLASSES;
    const unit = n === 17 ? 25.4 : 1;
    const near = (corner: readonly number[]) => unit * ((corner[own] as number) + 0.3 * random());
    x.push([near(corners.across), near(corners.up)]);
    y.push([0, 1, 2].map((k) => (k === own ? 1 : 0)));
  }
  return { x, y };
}

/** What is learned. */
export type Weights<T = Traced> = {
  readonly w1: T;
  readonly b1: T;
  readonly w2: T;
  readonly b2: T;
};

/** Small weights to begin with, the same every time. */
export function firstWeights(): Weights<number[] | number[][]> {
  const wave = (rows: number, columns: number, phase: number) =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) => 0.1 * Math.sin(phase + 7 * i + 3 * j)),
    );
  return {
    w1: wave(2, HIDDEN, 1),
    b1: Array<number>(HIDDEN).fill(0),
    w2: wave(HIDDEN, CLASSES, 2),
    b2: Array<number>(CLASSES).fill(0),
  };
}

/** The logarithms of the classes' probabilities, from their scores. */
export type LogSoftmax = (scores: Traced) => Traced;

/** As the formula says. */
export const byTheBook: LogSoftmax = (scores) => mx.log(mx.softmax(scores, { axes: [1] }));

/** The same, without a probability on the way. */
export const stable: LogSoftmax = (scores) =>
  mx.subtract(scores, mx.logsumexp(scores, { axes: [1], keepdims: true }));

/** Trains a network of two layers for so many steps, as one program. */
export function training(steps: number, rate: number, logSoftmax: LogSoftmax) {
  const loss = (weights: Weights, x: Traced, y: Traced): Traced => {
    const inner = label("hidden", () => mx.addmm(weights.b1, x, weights.w1));
    const scores = label("scores", () => mx.addmm(weights.b2, mx.maximum(inner, 0), weights.w2));
    const logs = label("log_softmax", () => logSoftmax(scores));
    const picked = label("picked", () => mx.multiply(y, logs));
    return label("loss", () => mx.negative(mx.mean(mx.sum(picked, { axes: [1] }))));
  };
  const step = valueAndGrad(loss);
  return (weights: Weights, x: Traced, y: Traced): Weights =>
    forLoop(steps, weights, (now) => {
      const [value, gradient] = step(now, x, y);
      hook(value, "loss");
      const next = (name: keyof Weights) =>
        label(name, () => mx.subtract(now[name], mx.multiply(gradient[name], rate)));
      return { w1: next("w1"), b1: next("b1"), w2: next("w2"), b2: next("b2") };
    });
}
