/** `npm run setup [-- --for build|demo|bench|test]`: everything that running, or testing, needs. */
import { parseArgs } from "node:util";
import { fail, say } from "./setup/report.mjs";
import { setUp } from "./setup/steps.mjs";

const { values } = parseArgs({ options: { for: { type: "string", default: "build" } } });
const started = Date.now();
await setUp(values.for).catch(fail);
say(`all there (${((Date.now() - started) / 1000).toFixed(1)} s)`);
