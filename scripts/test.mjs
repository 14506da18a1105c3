/**
 * `npm test`: set-up, checks, then the tests of TypeScript and of Elixir; the first part that fails
 * ends it. Where CPU streams run inline, on Linux, the tests run once more with threads for them:
 * that is how other platforms and GPUs work (docs/architecture.md). The tests that need Nx come last,
 * where it is there. `npm test -- PATTERN...` runs only the vitest files that match, one way.
 * DAVIT_STREAM_THREADS=1 asks for the other way alone.
 */
import { testNx } from "./nx/tests.mjs";
import { elixirEnv } from "./setup/elixir.mjs";
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

const patterns = process.argv.slice(2);
const whole = patterns.length === 0;
const part = (name) => process.stdout.write(`\n== ${name}\n`);
const vitest = inRoot("node_modules", "vitest", "vitest.mjs");

function test(how, env) {
  part(`tests: vitest${how}`);
  foreground(process.execPath, [vitest, "run", ...patterns], { env });
  if (!whole) return;
  part(`tests: mix test${how}`);
  foreground("mix", ["test"], { cwd: inRoot("elixir_client"), env: { ...elixirEnv, ...env } });
}

part("set-up");
await setUp("test").catch(fail);
if (whole) {
  part("checks");
  foreground(process.execPath, [inRoot("scripts", "check.mjs")]);
}
test("", {});
const inline = process.platform === "linux" && process.env.DAVIT_STREAM_THREADS === undefined;
if (whole && inline) test(", streams with threads", { DAVIT_STREAM_THREADS: "1" });
if (whole) {
  part("tests: Nx");
  testNx();
}
process.stdout.write("\nall tests passed\n");
