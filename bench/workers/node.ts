/** Measures in process: an engine of its own in a Node process. See ../worker.ts for the requests. */
import { openPort } from "erlang-port";
import * as functions from "./node/functions.js";
import * as generate from "./node/generate.js";
import * as load from "./node/load.js";
import * as loops from "./node/loops.js";
import * as memory from "./node/memory.js";
import * as model from "./node/model.js";
import { ops } from "./node/ops.js";
import * as runs from "./node/runs.js";
import * as store from "./node/store.js";

/** By name: takes the request's numbers, returns samples. */
const measures: Readonly<Record<string, (...numbers: number[]) => Promise<number[]>>> = {
  ...runs,
  ...functions,
  ...generate,
  ...load,
  ...loops,
  ...memory,
  ...model,
  ...ops,
  ...store,
};

async function answer(request: string): Promise<string> {
  const [name, ...numbers] = request.split(" ") as [string, ...string[]];
  const measure = Object.hasOwn(measures, name) ? measures[name] : undefined;
  if (measure === undefined) return `error nothing is measured as "${name}"`;
  try {
    return ["ok", ...(await measure(...numbers.map(Number)))].join(" ");
  } catch (error) {
    return `error ${error instanceof Error ? error.stack : error}`;
  }
}

const port = openPort({
  packet: 4,
  onFrame: async (frame) => {
    port.write(Buffer.from(await answer(frame.toString())));
  },
  onEnd: () => process.exit(0),
});
