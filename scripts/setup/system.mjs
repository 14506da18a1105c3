/** Parts that come from the system: compiler, build tools, Python with pip, Erlang and Elixir. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { pythonWithPip, which } from "./find.mjs";
import { inDeps } from "./paths.mjs";
import { SetupError, say } from "./report.mjs";
import { output, run } from "./run.mjs";
import { digest, isFresh, stamp } from "./stamp.mjs";

const minimumElixir = [1, 14];

/** Elixir's version, such as "1.14.0", or undefined. */
export function elixirVersion() {
  return output("elixir", ["--version"])?.match(/^Elixir (\d+\.\d+\.\d+)/m)?.[1];
}

function hasElixir() {
  const [major, minor] = (elixirVersion() ?? "0.0").split(".").map(Number);
  return major > minimumElixir[0] || (major === minimumElixir[0] && minor >= minimumElixir[1]);
}

function hasCpp20() {
  const program = "#include <concepts>\n#include <span>\ntemplate <std::integral T> T f(T x);\n";
  const compiler = process.env.CXX ?? "c++";
  const args = ["-std=c++20", "-fsyntax-only", "-x", "c++", "-"];
  return spawnSync(compiler, args, { input: program }).status === 0;
}

/** Each part: how to see that it is there, and its packages. `optional`: only tests insist. */
const parts = [
  {
    name: "cmake",
    commands: ["cmake"],
    present: () => which("cmake") !== undefined,
    packages: { "apt-get": "cmake", dnf: "cmake", pacman: "cmake", brew: "cmake" },
  },
  {
    name: "ninja or make",
    commands: ["ninja", "make"],
    present: () => (which("ninja") ?? which("make")) !== undefined,
    packages: { "apt-get": "ninja-build", dnf: "ninja-build", pacman: "ninja", brew: "ninja" },
  },
  {
    name: "a C++20 compiler",
    commands: ["c++"],
    present: hasCpp20,
    packages: { "apt-get": "g++", dnf: "gcc-c++", pacman: "gcc" },
    otherwise: "install Apple's command line tools with `xcode-select --install`",
  },
  {
    name: "Python 3 with pip",
    commands: ["python3", "pip3"],
    present: () => pythonWithPip() !== undefined,
    packages: {
      "apt-get": "python3 python3-pip",
      dnf: "python3 python3-pip",
      pacman: "python python-pip",
      brew: "python",
    },
  },
  {
    name: `Elixir >= ${minimumElixir.join(".")} with Erlang/OTP`,
    commands: ["elixir", "erl"],
    present: hasElixir,
    optional: true,
    packages: {
      "apt-get": "elixir",
      dnf: "erlang elixir",
      pacman: "erlang elixir",
      brew: "elixir",
    },
  },
];

const managers = {
  "apt-get": { install: ["install", "-y", "--no-install-recommends"], asRoot: true },
  dnf: { install: ["install"], asRoot: true },
  pacman: { install: ["-S"], asRoot: true },
  brew: { install: ["install"], asRoot: false },
};

const isRoot = () => process.getuid?.() === 0;

function packagesOf(missing, manager) {
  return missing.flatMap((part) => part.packages[manager]?.split(" ") ?? []);
}

/** The exact commands that put the missing parts in place. */
function advice(missing) {
  const manager = Object.keys(managers).find(which);
  const lines = [];
  const packages = manager ? packagesOf(missing, manager) : [];
  if (packages.length > 0) {
    const { install, asRoot } = managers[manager];
    const command = [manager, ...install, ...packages].join(" ");
    lines.push(asRoot && !isRoot() ? `sudo ${command}` : command);
  }
  for (const part of missing) {
    if (manager && part.packages[manager]) continue;
    lines.push(part.otherwise ?? `install ${part.name} and put it in the PATH`);
  }
  return lines.join("\n  ");
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old; Davit needs 20.19 or later, or 22.12 or later`,
    "install a newer Node and put it first in the PATH",
  );
}

async function installWithApt(missing) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const remedy = `run it by hand and see what it says:\n  ${advice(missing)}`;
  await run("updating the package lists", "apt-get", ["update", "-q"], { env, remedy });
  const packages = packagesOf(missing, "apt-get");
  const args = ["-q", ...managers["apt-get"].install, ...packages];
  await run(`installing ${packages.join(", ")}`, "apt-get", args, { env, remedy });
}

/** Where the parts' commands are and since when: asking each for its version takes seconds. */
function state() {
  const commands = parts.flatMap((part) => part.commands).map(which);
  const times = commands.map((path) => path && statSync(path).mtimeMs);
  return digest("system parts", commands, times, process.env.CXX);
}

/**
 * Sees that the system parts are there; installs what is missing with apt when it runs as root.
 * Without Elixir the engine still works from Node, so only tests insist on it.
 */
export async function ensureSystem({ insistOnElixir }) {
  checkNode();
  const stampFile = inDeps("system.stamp");
  if (isFresh(stampFile, state())) return;
  const absent = () => parts.filter((part) => !part.present());
  let missing = absent();
  if (missing.length > 0 && isRoot() && which("apt-get")) {
    await installWithApt(missing);
    missing = absent();
  }
  const needed = missing.filter((part) => insistOnElixir || !part.optional);
  if (needed.length > 0) {
    const names = needed.map((part) => part.name).join(", ");
    throw new SetupError(`missing on this system: ${names}`, `run\n  ${advice(missing)}`);
  }
  if (missing.length > 0) {
    const names = missing.map((part) => part.name).join(", ");
    say(`going on without ${names}. To have it:\n  ${advice(missing)}`);
    return;
  }
  stamp(stampFile, state());
}
