/** Loading of large graphs. */
import { encodeGraph } from "davit-engine";
import { engine } from "./engine.js";

const graphs = new Map<number, Uint8Array>();

/** The canonical bytes of a chain of so many labelled nodes. */
function chain(count: number): Uint8Array {
  let bytes = graphs.get(count);
  if (bytes === undefined) {
    const nodes = Array.from({ length: count }, (_, index) => ({
      op: "add",
      inputs: [index, 0],
      attributes: {},
      outputs: 1,
      label: `layer.${index}`,
    }));
    const parameters = [{ dtype: "float32", shape: [16] }] as const;
    bytes = encodeGraph({ functions: [{ name: "main", parameters, nodes, results: [count] }] });
    graphs.set(count, bytes);
  }
  return bytes;
}

/** Milliseconds until a graph of so many nodes is loaded from its bytes, and of them the longest turn. */
export async function loadLarge(count: number): Promise<number[]> {
  const bytes = chain(count);
  const times: number[] = [];
  const work = engine.loading(bytes);
  for (;;) {
    const begin = performance.now();
    const loaded = work.advance(2);
    times.push(performance.now() - begin);
    if (loaded === undefined) continue;
    engine.unload(loaded.result);
    return [times.reduce((sum, time) => sum + time, 0), Math.max(...times)];
  }
}
