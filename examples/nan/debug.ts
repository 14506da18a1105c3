/** A training that gives NaN, and how to find out why; docs/debugging.md tells the story. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "davit-engine";
import { investigate } from "./investigate.js";

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), "davit-nan-")));
const engine = Engine.create();
await investigate(engine, folder, console.log);
await engine.close();
console.log(`The recordings are in ${folder}: davit diff good.rec bad.rec --rtol 1e-2 --atol 1e-5`);
