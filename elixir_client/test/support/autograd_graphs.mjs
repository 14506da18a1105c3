// Writes graphs with derivatives, as a JSON object of canonical bytes in base64: the client has no autograd of its own,
// it runs what Node traced.
import {
  cond,
  Engine,
  encodeGraph,
  exportGraph,
  grad,
  hook,
  hookGradient,
  jvp,
  mx,
  forLoop,
  valueAndGrad,
  vjp,
} from "../../../dist/index.js";

const engine = Engine.create({ lanes: 1 });
const scaled = (w) => (x) =>
  mx.sum(forLoop(3, x, (s) => hookGradient(mx.multiply(hook(s, "forward"), w), "backward")));
const functions = {
  loop: [(x) => grad(scaled([2, 3]))(x), [1, 2]],
  branch: [
    (x) =>
      valueAndGrad((y) =>
        cond(
          mx.greater(y, 0),
          () => mx.square(hook(y, "positive")),
          () => mx.multiply(hook(y, "negative"), 5),
        ),
      )(x),
    0,
  ],
  // The Jacobian of (x y, x + y) times (1, 10), from either side.
  vjp: [(x, y) => vjp((a, b) => [mx.multiply(a, b), mx.add(a, b)], [x, y], [1, 10]), 0, 0],
  jvp: [(x, y) => jvp((a, b) => [mx.multiply(a, b), mx.add(a, b)], [x, y], [1, 10]), 0, 0],
};
const graphs = {};
for (const [name, [fn, ...args]] of Object.entries(functions)) {
  const { graph } = await exportGraph(engine.jit(fn).trace(...args));
  graphs[name] = Buffer.from(encodeGraph(graph)).toString("base64");
}
await engine.close();
process.stdout.write(JSON.stringify(graphs));
