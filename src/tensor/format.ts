import { elementCount, isInexact, type TensorType } from "./dtype.js";
import { checkLength, elementReader, type Scalar } from "./values.js";

/** Options of printing a tensor. */
export interface FormatOptions {
  /** Significant digits of floating numbers. Default 6. */
  readonly precision?: number | undefined;
  /** With more elements than this, the middle of long dimensions is left out. Default 1,000. */
  readonly limit?: number | undefined;
}

/** Elements shown at either end of a shortened dimension. */
const EDGE = 3;
/** Columns before a row is broken. */
const WIDTH = 80;
const PREFIX = "array(";

/** Prints a tensor as MLX does, in columns: `array([[1, 2], [3, 4]], dtype=int32)`, a row on a line. */
export function formatTensor(
  bytes: Uint8Array,
  type: TensorType,
  options: FormatOptions = {},
): string {
  checkLength(bytes, type);
  const { dtype, shape } = type;
  const precision = Math.min(Math.max(Math.trunc(options.precision ?? 6), 1), 100);
  const suffix = `, dtype=${dtype})`;
  const count = elementCount(shape);
  if (count === 0 && shape.length > 1) return `${PREFIX}[], shape=(${shape.join(", ")})${suffix}`;
  const shortened = count > (options.limit ?? 1000);
  const read = elementReader(bytes, dtype);
  const floating = isInexact(dtype);
  const text = (index: number) => {
    const value = read(index);
    return floating ? formatElement(value, precision) : String(value);
  };
  const shown = shape.map((size) => shownIndices(size, shortened));
  const width = columnWidth(shape, shown, text);

  const block = (axis: number, offset: number, indent: string): string => {
    if (axis === shape.length) return text(offset);
    const size = shape[axis] as number;
    const items = (shown[axis] as (number | null)[]).map((index) => {
      if (index === null) return "...";
      const at = offset * size + index;
      return axis === shape.length - 1
        ? text(at).padStart(width)
        : block(axis + 1, at, `${indent} `);
    });
    if (axis === shape.length - 1) return `[${wrap(items, `${indent} `)}]`;
    const gap = "\n".repeat(Math.max(1, shape.length - 1 - axis));
    return `[${items.join(`,${gap}${indent} `)}]`;
  };
  return PREFIX + block(0, 0, " ".repeat(PREFIX.length)) + suffix;
}

/** The indices of a dimension that are shown; null stands for those left out. */
function shownIndices(size: number, shortened: boolean): (number | null)[] {
  if (!shortened || size <= 2 * EDGE) return Array.from({ length: size }, (_, index) => index);
  const edge = Array.from({ length: EDGE }, (_, index) => index);
  return [...edge, null, ...edge.map((index) => size - EDGE + index)];
}

/** The width of the widest element shown. */
function columnWidth(
  shape: readonly number[],
  shown: readonly (number | null)[][],
  text: (index: number) => string,
): number {
  const level = (axis: number, offset: number): number => {
    if (axis === shape.length) return text(offset).length;
    let widest = 0;
    for (const index of shown[axis] as (number | null)[]) {
      if (index !== null) {
        widest = Math.max(widest, level(axis + 1, offset * (shape[axis] as number) + index));
      }
    }
    return widest;
  };
  return level(0, 0);
}

function wrap(items: readonly string[], indent: string): string {
  let line = indent.length;
  let text = "";
  items.forEach((item, index) => {
    if (index > 0) {
      const breaks = line + item.length + 2 > WIDTH;
      text += breaks ? `,\n${indent}` : ", ";
      line = breaks ? indent.length : line + 2;
    }
    text += item;
    line += item.length;
  });
  return text;
}

function formatElement(value: Scalar | [number, number], precision: number): string {
  if (Array.isArray(value)) {
    const imaginary = formatNumber(value[1], precision);
    const sign = imaginary.startsWith("-") ? "" : "+";
    return `${formatNumber(value[0], precision)}${sign}${imaginary}j`;
  }
  return formatNumber(Number(value), precision);
}

/** As C's `%g`: so many significant digits, an exponent only for the very large and small. */
function formatNumber(value: number, precision: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa, exponent] = value.toExponential(precision - 1).split("e") as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < precision) {
    return trimZeros(value.toFixed(Math.max(0, precision - 1 - power)));
  }
  const digits = String(Math.abs(power)).padStart(2, "0");
  return `${trimZeros(mantissa)}e${power < 0 ? "-" : "+"}${digits}`;
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
