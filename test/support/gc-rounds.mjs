// Tensors and views that come and go in every order: node --expose-gc gc-rounds.mjs INDEX ROUNDS SEED. Prints what was done, and what is left, as JSON.
const [index, rounds, seed] = process.argv.slice(2);
const { Engine, mx } = await import(index);

const engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 29, cacheLimit: 0 });
const add = engine.jit((x) => mx.add(x, 1));
const turned = engine.jit((x) => mx.transpose(mx.reshape(mx.add(x, 1), { shape: [10, -1] })));
const SIZES = [30, 2000, 40_000];

/** Drawn numbers. */
let state = Number(seed);
/** A drawn integer below a bound: mulberry32. */
function draw(bound) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % bound;
}

/** Handles and views by their numbers; each says what all of its elements are. */
const tensors = new Map();
const views = new Map();
let next = 0;
let checks = 0;

function any(map) {
  if (map.size === 0) return undefined;
  let at = draw(map.size);
  for (const entry of map) if (at-- === 0) return entry;
}

function check(array, value) {
  checks++;
  for (const at of [0, draw(array.length), array.length - 1]) {
    if (array[at] === value) continue;
    throw new Error(`element ${at} of ${array.length} is ${array[at]}; expected ${value}`);
  }
}

function see(array, value) {
  views.set(next++, { array, value });
}

const moves = {
  make() {
    const value = next;
    const size = SIZES[draw(SIZES.length)];
    const source = new Float32Array(size).fill(value);
    const tensor =
      draw(2) === 0
        ? engine.tensor(source)
        : engine.fill({ dtype: "float32", shape: [size] }, (array) => array.set(source));
    tensors.set(next++, { tensor, value });
  },
  async run() {
    const [, one] = any(tensors) ?? [];
    if (one === undefined) return;
    const tensor = await (draw(2) === 0 ? add : turned)(one.tensor);
    tensors.set(next++, { tensor, value: one.value + 1 });
  },
  view() {
    const [, one] = any(tensors) ?? [];
    if (one !== undefined) see(one.tensor.view(), one.value);
  },
  lie() {
    const [, one] = any(tensors) ?? [];
    if (one === undefined) return;
    const { memory, byteOffset } = one.tensor.dlpack();
    see(
      new Float32Array(
        memory,
        byteOffset,
        one.tensor.shape.reduce((a, b) => a * b),
      ),
      one.value,
    );
  },
  write() {
    const [key, one] = any(tensors) ?? [];
    if (one === undefined) return;
    try {
      const view = one.tensor.view({ writable: true });
      const value = next;
      view.fill(value);
      // What is seen through a buffer is seen through all views of it.
      for (const other of views.values())
        if (other.array.buffer === view.buffer) other.value = value;
      tensors.set(key, { tensor: one.tensor, value });
      see(view, value);
    } catch (error) {
      if (error.code !== "tensor_shared") throw error;
    }
  },
  transfer() {
    const [, one] = any(views) ?? [];
    if (one === undefined) return;
    const { buffer } = one.array;
    const { byteOffset, length } = one.array;
    let taken;
    try {
      taken = structuredClone(buffer, { transfer: [buffer] });
    } catch (error) {
      // Buffers over foreign memory cannot be transferred; older versions of Node copy them.
      if (error.name !== "DataCloneError") throw error;
      return;
    }
    for (const [other, { array }] of views) if (array.buffer === buffer) views.delete(other);
    see(new Float32Array(taken, byteOffset, length), one.value);
  },
  dispose() {
    const [key, one] = any(tensors) ?? [];
    one?.tensor.dispose();
    tensors.delete(key);
  },
  forget() {
    const [key] = any(tensors) ?? [];
    tensors.delete(key);
  },
  forgetView() {
    const [key] = any(views) ?? [];
    views.delete(key);
  },
  look() {
    const [, seen] = any(views) ?? [];
    if (seen !== undefined) check(seen.array, seen.value);
    const [, one] = any(tensors) ?? [];
    if (one !== undefined) check(one.tensor.view(), one.value);
  },
};

const names = Object.keys(moves);
const turn = () => new Promise(setImmediate);
for (let round = 0; round < Number(rounds); round++) {
  await moves[names[draw(names.length)]]();
  if (tensors.size > 60) tensors.delete(any(tensors)[0]);
  if (views.size > 60) views.delete(any(views)[0]);
  if (round % 25 === 0) globalThis.gc();
  if (round % 50 === 0) await turn();
}
/** In a function of its own: what is left on the stack would keep the last one. */
function end() {
  for (const { array, value } of views.values()) check(array, value);
  for (const { tensor, value } of tensors.values()) check(tensor.view(), value);
  tensors.clear();
  views.clear();
}
end();
const left = () => engine.info();
for (let tries = 0; tries < 50 && left().counters.tensors > 0; tries++) {
  globalThis.gc();
  await turn();
}
for (let tries = 0; tries < 50 && left().memory.active > 2 ** 16; tries++) {
  globalThis.gc();
  await turn();
}
const { memory, counters } = left();
console.log(JSON.stringify({ checks, tensors: counters.tensors, active: memory.active }));
await engine.close();
