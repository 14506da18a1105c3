/** The tools behind `npm run check` and `npm run format`: for each, how it checks and how it fixes. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { elixirEnv } from "./elixir.mjs";
import { which } from "./find.mjs";
import { inRoot, root } from "./paths.mjs";
import { clangFormat } from "./tools.mjs";

const biome = inRoot("node_modules", "@biomejs", "biome", "bin", "biome");
const tsc = inRoot("node_modules", "typescript", "bin", "tsc");

const nativeFiles = () =>
  readdirSync(inRoot("native"), { recursive: true })
    .filter((name) => /\.(cpp|h)$/.test(name))
    .map((name) => join("native", name));

const node = (...args) => ({ command: process.execPath, args, cwd: root, env: {} });
const clang = (...args) => ({
  command: clangFormat,
  args: [...args, ...nativeFiles()],
  cwd: root,
  env: {},
});
const mix = (...args) => ({
  command: "mix",
  args,
  cwd: inRoot("elixir_client"),
  env: elixirEnv,
});

/** In the order in which they run. `fix` is absent where only a person can. */
export const formatters = () => [
  {
    name: "Biome",
    check: node(biome, "check", "--error-on-warnings"),
    fix: node(biome, "check", "--write"),
  },
  { name: "clang-format", check: clang("--dry-run", "-Werror"), fix: clang("-i") },
  { name: "TypeScript", check: node(tsc, "--noEmit", "-p", "tsconfig.json") },
  ...(which("mix")
    ? [{ name: "mix format", check: mix("format", "--check-formatted"), fix: mix("format") }]
    : []),
];
