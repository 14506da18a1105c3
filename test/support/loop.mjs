// A training loop as a user writes it: node loop.mjs INDEX ELEMENTS STEPS HOOKS. Prints what it held at most, as JSON.
const [index, elements, steps, hooked] = process.argv.slice(2);
const { Engine, hook, mx } = await import(index);

const engine = Engine.create({ memoryLimit: 2 ** 31 });
const step = engine.jit((x) => {
  const y = mx.add(x, 1);
  return hooked === "true" ? hook(y, "y") : y;
});
let fired = 0;
step.on("y", ({ value }) => {
  fired += value.length > 0 ? 1 : 0;
});

let w = engine.tensor(new Float32Array(Number(elements)));
let tensors = 0;
for (let i = 0; i < Number(steps); i++) {
  w = await step(w);
  tensors = Math.max(tensors, engine.info().counters.tensors);
}
const { peak } = engine.info().memory;
console.log(JSON.stringify({ peak, tensors, fired, last: (await w.toArray())[0] }));
await engine.close();
