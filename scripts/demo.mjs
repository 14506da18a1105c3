/** `npm run demo [-- OPTIONS]`: set-up, then `davit demo OPTIONS`. */
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

await setUp("demo").catch(fail);
foreground(process.execPath, [inRoot("dist", "cli", "main.js"), "demo", ...process.argv.slice(2)], {
  cwd: process.cwd(),
});
