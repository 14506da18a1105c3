/** `npm run demo [-- OPTIONS]`: set-up, then examples/minilm/demo.ts. */
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { foreground, run } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

async function build() {
  await setUp("demo");
  const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
  await run("compiling the examples", process.execPath, [tsc, "-p", inRoot("examples")], {
    remedy: "the compiler's message is above",
  });
}

await build().catch(fail);
const demo = inRoot("build", "examples", "minilm", "demo.js");
foreground(process.execPath, [demo, ...process.argv.slice(2)], { cwd: process.cwd() });
