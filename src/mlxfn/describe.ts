import { byteLength, formatType } from "../tensor/dtype.js";
import { formatSignature, type OpenedFunction } from "./opened.js";

/** A function that MLX exported, for people: its versions, signatures and constants. */
export function describeFunction(opened: OpenedFunction): string {
  const { version, shapeless, metadata, signatures, constants } = opened;
  const bytes = [...constants.values()].reduce((sum, { type }) => sum + byteLength(type), 0);
  return [
    `a function exported by MLX ${version}${shapeless ? ", shapeless" : ""}`,
    ...(metadata === "" ? [] : [`metadata: ${metadata}`]),
    ...signatures.map((signature, trace) => `trace ${trace}: ${formatSignature(signature)}`),
    `${constants.size} constants in the file, ${bytes} bytes`,
    ...[...constants].map(
      ([name, { type }]) => `  ${name}: ${formatType(type)}, ${byteLength(type)} bytes`,
    ),
    "",
  ].join("\n");
}
