// Tensors where no buffer may be over the engine's memory: DAVIT_EXTERNAL_BUFFERS=0 node copies.mjs INDEX. Prints what they hold, as JSON.
const { Engine, mx } = await import(process.argv[2]);

const engine = Engine.create({ lanes: 1 });
const code = (call) => {
  try {
    call();
  } catch (error) {
    return error.code;
  }
};
const x = engine.tensor(new Float32Array(5000).fill(2));
const y = await engine.jit((x) => mx.multiply(x, 3))(x);
const view = y.view();
view[0] = 0; // into a copy
const again = await engine.jit((x) => mx.sum(x))(y);
const filled = engine.fill({ dtype: "int32", shape: [2] }, (array) => array.set([1, 2]));
console.log(
  JSON.stringify({
    view: view[4999],
    sum: await again.toArray(),
    filled: await filled.toArray(),
    writable: code(() => y.view({ writable: true })),
    dlpack: code(() => y.dlpack()),
  }),
);
await engine.close();
