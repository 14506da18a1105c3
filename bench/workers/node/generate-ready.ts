/** Opens a language model, in a process of its own: generate-ready.js MODEL. */
import { Engine, Generator } from "davit-engine";

const engine = Engine.create();
await Generator.open(engine, process.argv[2] as string);
process.exit(0);
