/** `npm run fuzz [-- OPTIONS]`: set-up, then fuzz/main.ts, compiled. */
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

await setUp("fuzz").catch(fail);
const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
foreground(process.execPath, [tsc, "-p", inRoot("fuzz", "tsconfig.json")]);
const main = inRoot("build", "fuzz", "fuzz", "main.js");
foreground(process.execPath, [main, ...process.argv.slice(2)], { cwd: process.cwd() });
