/** llama.cpp, which figures of language models are beside. PyPI has its sources, which take some minutes to build. */
import { readFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pythonTag, pythonWithPip } from "./find.mjs";
import { inDeps } from "./paths.mjs";
import { run } from "./run.mjs";
import { digest, isFresh, stamp } from "./stamp.mjs";

const requirements = fileURLToPath(new URL("llama.txt", import.meta.url));

/** Builds llama-cpp-python into .deps/python-llama, each part pinned by its sha256. */
export async function ensureLlama() {
  const python = pythonWithPip();
  const destination = inDeps("python-llama");
  const wanted = digest(readFileSync(requirements, "utf8"), pythonTag(python));
  if (isFresh(`${destination}.stamp`, wanted)) return;
  const building = `${destination}.new`;
  rmSync(building, { recursive: true, force: true });
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
  const args = ["-m", "pip", "install", ...quiet, "--target", building, "-r", requirements];
  await run("building llama.cpp, which takes some minutes", python, args, {
    remedy: "it needs a C++ compiler and CMake, and pip has to reach its index (`pip config list`)",
  });
  rmSync(destination, { recursive: true, force: true });
  renameSync(building, destination);
  stamp(`${destination}.stamp`, wanted);
}
