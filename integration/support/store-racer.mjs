// As store_racer.exs, in Node; it also collects.
const [, , index, path, seed] = process.argv;
const { Engine, hook, mx } = await import(index);
const engine = Engine.create({ lanes: 1, store: path });
const programs = engine.programStore;
let state = Number(seed) + 1;
const random = (below) => {
  state = (state * 48271) % 2147483647;
  return state % below;
};

async function race() {
  const n = 1 + random(20);
  const name = `race ${n}`;
  const found = programs.find(name);
  if (found === undefined) {
    const program = engine
      .jit((x) => hook(mx.multiply(x, n), "product"))
      .program(new Float32Array(3));
    programs.add(name, program, Buffer.from(`note ${n}`));
    return;
  }
  const program = engine.loading(found).advance(Number.POSITIVE_INFINITY).result;
  const run = engine.run(program, [engine.tensor([1, 2, 3])], {});
  await run.done;
  const product = await run.outputs[0].toArray();
  const right = product.every((value, at) => value === n * (at + 1));
  if (!right || Buffer.from(found.note).toString() !== `note ${n}`) console.log(`wrong: ${n}`);
}

for (let round = 1; ; round++) {
  await race();
  if (random(50) === 0) programs.store.gc({ grace: random(2) * 1000, limit: 20_000 });
  if (round % 10 === 0) console.log("10");
}
