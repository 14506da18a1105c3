/**
 * `npm test`: set-up, checks, then the tests of TypeScript and of Elixir; the first part that fails
 * ends it. `npm test -- PATTERN...` runs only the vitest files that match.
 */
import { elixirEnv } from "./setup/elixir.mjs";
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

const patterns = process.argv.slice(2);
const part = (name) => process.stdout.write(`\n== ${name}\n`);
const vitest = inRoot("node_modules", "vitest", "vitest.mjs");

part("set-up");
await setUp("test").catch(fail);
if (patterns.length === 0) {
  part("checks");
  foreground(process.execPath, [inRoot("scripts", "check.mjs")]);
}
part("tests: vitest");
foreground(process.execPath, [vitest, "run", ...patterns]);
if (patterns.length === 0) {
  part("tests: mix test");
  foreground("mix", ["test"], { cwd: inRoot("elixir_client"), env: elixirEnv });
}
process.stdout.write("\nall tests passed\n");
