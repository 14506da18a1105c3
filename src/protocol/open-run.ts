import type { Program } from "../engine/program.js";
import type { Run } from "../engine/runs.js";
import type { CallbackReceiver } from "../hooks/callback-router.js";
import type { Site } from "../hooks/site.js";
import type { ValueId } from "../native.js";
import { formatType, sameType, type TensorType } from "../tensor/dtype.js";
import type { Caller } from "./callbacks.js";
import { badMessage } from "./checks.js";
import { ProtocolError } from "./error.js";
import type { RunHooks } from "./hooks.js";
import type { Input, MessageOf } from "./message.js";
import type { LoadedProgram } from "./programs.js";
import type { SessionQueue } from "./queues.js";
import type { SessionTensor, SessionTensors } from "./tensors.js";

/** A run that has not been answered. */
export class OpenRun implements Caller {
  run: Run | undefined;
  hooks: RunHooks | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The queue of the runs that its handlers start: they must not wait behind it. */
  children: SessionQueue | undefined;
  /** The receiver of its callbacks, where that is not the client. */
  replies: CallbackReceiver | undefined;
  outputs: SessionTensor[] = [];
  readonly callbacks = new Map<number, Site>();

  constructor(
    readonly request: number,
    readonly loaded: LoadedProgram,
    readonly queue: SessionQueue,
    /** Its tensor operands that were pending, pinned: their failure is its own. */
    readonly operands: readonly SessionTensor[],
    readonly fetch: number,
    readonly answered: boolean,
  ) {}
}

/**
 * Returns the native operands of a run: numbers of tensors, and the bytes of those that came inline. Pending tensors are
 * pinned, and put into `pinned`.
 * @throws ProtocolError `input_count_invalid`, `input_type_invalid`, `tensor_unknown`, or the error of a failed tensor
 */
export function bindInputs(
  program: Program,
  operands: readonly Input[],
  tensors: SessionTensors,
  pinned: SessionTensor[],
): (ValueId | Uint8Array)[] {
  const [count, given] = [program.inputs.length, operands.length];
  if (given !== count) {
    const found = `the program takes ${count} inputs, not ${given}`;
    throw new ProtocolError("input_count_invalid", found, `${count}`);
  }
  const inputs = new Array<ValueId | Uint8Array>(given);
  for (let index = 0; index < inputs.length; index++) {
    const operand = operands[index] as Input;
    if (typeof operand === "number") {
      const tensor = tensors.find(operand);
      if (tensor.error !== undefined) throw tensor.error;
      checkInput(program, index, tensor.type as TensorType);
      if (tensor.pending) {
        tensor.pins++;
        pinned.push(tensor);
      }
      inputs[index] = tensor.value;
    } else if (operand instanceof Uint8Array) {
      // Its length is checked where it becomes a tensor.
      inputs[index] = operand;
    } else {
      checkInput(program, index, operand.type);
      inputs[index] = operand.bytes;
    }
  }
  return inputs;
}

/** The ids of the tensors that a run is given for good. @throws ProtocolError `message_invalid` */
export function donatedTensors({ inputs, donate }: MessageOf<"run">): readonly number[] {
  return donate.map((position) => {
    const operand = inputs[position];
    if (typeof operand === "number") return operand;
    throw badMessage(
      "an item of run's donate",
      position,
      "the position of a tensor's id in inputs",
    );
  });
}

/** @throws ProtocolError `input_type_invalid` */
function checkInput({ inputs, graph }: Program, index: number, type: TensorType): void {
  const expected = inputs[index] as TensorType;
  if (sameType(type, expected)) return;
  const name = graph.functions[0]?.parameterNames?.[index];
  const which = name === undefined ? `input ${index}` : `input ${index}, "${name}",`;
  throw new ProtocolError(
    "input_type_invalid",
    `${which} is ${formatType(type)}; the program takes ${formatType(expected)}`,
    formatType(expected),
  );
}
