/**
 * What npm runs when the package is installed: it builds the addon for this machine, with MLX from its wheels. In a
 * checkout it does nothing: there `npm run setup` does it, among other things.
 */
import { existsSync } from "node:fs";
import { ensureAddon } from "./setup/addon.mjs";
import { ensureMlx } from "./setup/mlx.mjs";
import { inRoot } from "./setup/paths.mjs";
import { fail } from "./setup/report.mjs";
import { ensureSystem } from "./setup/system.mjs";

async function install() {
  await ensureSystem({ insistOnElixir: false });
  await ensureAddon(await ensureMlx());
}

if (!existsSync(inRoot("tsconfig.build.json"))) await install().catch(fail);
