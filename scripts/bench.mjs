/** `npm run bench [-- --json] [--peers] [NAME...]`: set-up, then bench/main.ts, compiled. */

import { ensureLlama } from "./setup/llama.mjs";
import { inRoot } from "./setup/paths.mjs";
import { ensurePeers } from "./setup/peers.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

await setUp("bench").catch(fail);
if (process.argv.includes("--peers")) {
  await ensurePeers().catch(fail);
  await ensureLlama().catch(fail);
}
const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
foreground(process.execPath, [tsc, "-p", inRoot("bench", "tsconfig.json")]);
const arguments_ = process.argv.slice(2);
foreground(process.execPath, [inRoot("build", "bench", "bench", "main.js"), ...arguments_], {
  cwd: process.cwd(),
});
