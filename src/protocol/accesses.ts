import type { Message, MessageOf } from "./message.js";

/** The names that a message refers to: those that it only needs, and those that it assigns, ends or puts in order. */
export interface Accesses {
  readonly uses: readonly string[];
  readonly changes: readonly string[];
}

const NOTHING: Accesses = { uses: [], changes: [] };

const tensor = (id: number) => `tensor ${id}`;
const program = (id: number) => `program ${id}`;
const queue = (id: number) => `queue ${id}`;
const model = (id: number) => `model ${id}`;
const generation = (id: number) => `generation ${id}`;
const snapshot = (id: number) => `snapshot ${id}`;
const replay = (id: number) => `replay ${id}`;

/** The names that a message refers to: of two messages that share a name which one of them changes, the order counts. */
export function accessesOf(message: Message): Accesses {
  switch (message.type) {
    case "load": {
      const bound = [...message.constants.values(), ...message.externals.values()];
      // One load after the other: each may hold much memory while it is under way.
      return { uses: bound.map(tensor), changes: [program(message.program), "loads"] };
    }
    case "load_kept": {
      const bound = [...message.externals.values()];
      return { uses: bound.map(tensor), changes: [program(message.program), "loads"] };
    }
    case "forget_kept":
      return { uses: [], changes: [] };
    case "keep":
      return { uses: [program(message.program)], changes: [] };
    case "unload":
      return { uses: [], changes: [program(message.program)] };
    case "put":
      return { uses: [], changes: [tensor(message.tensor)] };
    case "open_function":
      return { uses: [], changes: [] };
    case "export_function":
      return { uses: message.traces.map((trace) => program(trace.program)), changes: [] };
    case "open_file":
      return { uses: [], changes: message.tensors.map(([, id]) => tensor(id)) };
    case "get":
      return { uses: [tensor(message.tensor)], changes: [] };
    case "free":
      return { uses: [], changes: message.tensors.map(tensor) };
    case "run": {
      const { uses, changes } = accessesOfRuns([message]);
      const replays = message.replay === undefined ? [] : [replay(message.replay)];
      const donated = idsOf(message.donate.map((position) => message.inputs[position]));
      return { uses: [...uses, ...replays], changes: [...changes, ...donated.map(tensor)] };
    }
    case "runs":
      return accessesOfRuns(message.runs);
    case "reply":
      return { uses: idsOf(message.values).map(tensor), changes: [] };
    case "close_queue":
      return { uses: [], changes: [queue(message.queue)] };
    case "open_model":
    case "close_model":
      return { uses: [], changes: [model(message.model)] };
    case "embed": {
      const { output } = message;
      return { uses: [model(message.model)], changes: output === null ? [] : [tensor(output)] };
    }
    case "generate": {
      const { options } = message;
      const begun = options.snapshot === undefined ? [] : [snapshot(options.snapshot)];
      const changes = [generation(message.generation), queue(message.queue)];
      return { uses: [model(message.model), ...begun], changes };
    }
    case "next_token":
    case "close_generation":
      return { uses: [], changes: [generation(message.generation)] };
    case "snapshot":
      return { uses: [model(message.model)], changes: [snapshot(message.snapshot)] };
    case "close_snapshot":
      return { uses: [], changes: [snapshot(message.snapshot)] };
    case "replay":
    case "stop_replay":
      return { uses: [], changes: [replay(message.replay)] };
    default:
      return NOTHING;
  }
}

function accessesOfRuns(
  runs: readonly Pick<MessageOf<"run">, "queue" | "program" | "inputs" | "outputs">[],
): Accesses {
  return {
    uses: runs.flatMap((run) => [program(run.program), ...idsOf(run.inputs).map(tensor)]),
    changes: runs.flatMap((run) => [queue(run.queue), ...idsOf(run.outputs).map(tensor)]),
  };
}

function idsOf(operands: readonly unknown[]): number[] {
  return operands.filter((operand): operand is number => typeof operand === "number");
}
