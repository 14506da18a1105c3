import { formatType, isInexact } from "../../tensor/dtype.js";
import { checkNotEmpty, input, refuse } from "./guards.js";
import type { OpCall } from "./spec.js";

const LETTERS = 52;
/** The time to find an order of products grows with the cube of their number: 5 ms for 64, 22 s for 1,000. */
const MOST_OPERANDS = 64;
const TERM = /^([A-Za-z]*)(\.\.\.)?([A-Za-z]*)$/;

/** One term: its letters, and how many of them come before the ellipsis, where there is one. */
interface Term {
  readonly letters: string;
  readonly ellipsis: number | undefined;
}

function parseTerm(call: OpCall, text: string): Term {
  const match = TERM.exec(text);
  if (match === null) {
    return refuse(
      call,
      "attribute_invalid",
      `subscripts have the term "${text}"`,
      "letters and at most one ellipsis of three dots",
    );
  }
  const [, before = "", ellipsis, after = ""] = match;
  return { letters: before + after, ellipsis: ellipsis === undefined ? undefined : before.length };
}

/** Refuses subscripts that are malformed or do not fit the operands. */
export function einsumGuard(call: OpCall): void {
  checkNotEmpty(call);
  if (call.inputs.length > MOST_OPERANDS) {
    refuse(
      call,
      "arity_invalid",
      `einsum has ${call.inputs.length} operands`,
      `at most ${MOST_OPERANDS}`,
    );
  }
  const subscripts = (call.attributes.subscripts as string).replaceAll(" ", "");
  const [left = "", right, ...more] = subscripts.split("->");
  if (more.length > 0) {
    refuse(call, "attribute_invalid", `subscripts "${subscripts}" have more than one "->"`);
  }
  const terms = left.split(",").map((text) => parseTerm(call, text));
  if (terms.length !== call.inputs.length) {
    refuse(
      call,
      "arity_invalid",
      `subscripts "${subscripts}" name ${terms.length} operands, there are ${call.inputs.length}`,
    );
  }
  const sizes = new Map<string, number>();
  const spread = Math.max(0, ...terms.map((term, index) => checkTerm(call, term, index, sizes)));
  if (sizes.size + spread > LETTERS) {
    refuse(
      call,
      "attribute_invalid",
      `subscripts need ${sizes.size + spread} letters, ellipses included`,
      `at most ${LETTERS}`,
    );
  }
  const result = right === undefined ? undefined : parseTerm(call, right);
  if (result !== undefined) checkResult(call, result, sizes);
  checkContraction(call, terms, result);
}

/** MLX multiplies matrices of floats alone: a sum over a subscript of two operands is such a product. */
function checkContraction(call: OpCall, terms: readonly Term[], result: Term | undefined): void {
  const types = call.inputs.map((_, index) => input(call, index).dtype);
  if (types.some(isInexact) || terms.length < 2) return;
  const letters = terms.flatMap((term) => [...new Set(term.letters)]);
  const shared = new Set(letters.filter((letter, index) => letters.indexOf(letter) !== index));
  const summed = [...shared].find((letter) => result?.letters.includes(letter) !== true);
  if (summed !== undefined) {
    refuse(
      call,
      "dtype_unsupported",
      `subscript "${summed}" is summed over integers`,
      "floats, or a product of one operand at a time",
    );
  }
}

/** Checks a term against its operand; returns how many axes the ellipsis stands for. */
function checkTerm(call: OpCall, term: Term, index: number, sizes: Map<string, number>): number {
  const type = input(call, index);
  const rest = type.shape.length - term.letters.length;
  if (term.ellipsis === undefined ? rest !== 0 : rest < 0) {
    refuse(
      call,
      "shape_invalid",
      `operand ${index}, ${formatType(type)}, has subscripts for ${term.letters.length} axes`,
    );
  }
  const own = new Map<string, number>();
  for (const [position, letter] of [...term.letters].entries()) {
    const axis = position < (term.ellipsis ?? position + 1) ? position : position + rest;
    const size = type.shape[axis] as number;
    const known = sizes.get(letter) ?? 1;
    const repeated = own.get(letter) ?? size;
    if (repeated !== size || (known !== 1 && size !== 1 && known !== size)) {
      refuse(
        call,
        "shape_invalid",
        `subscript "${letter}" is of size ${size} in ${formatType(type)}`,
        `${repeated === size ? known : repeated}`,
      );
    }
    own.set(letter, size);
    sizes.set(letter, known === 1 ? size : known);
  }
  return term.ellipsis === undefined ? 0 : rest;
}

function checkResult(call: OpCall, term: Term, sizes: ReadonlyMap<string, number>): void {
  const unknown = [...term.letters].find((letter) => !sizes.has(letter));
  if (unknown !== undefined) {
    refuse(call, "attribute_invalid", `subscript "${unknown}" of the result is in no operand`);
  }
  if (new Set(term.letters).size !== term.letters.length) {
    refuse(call, "attribute_invalid", `the result "${term.letters}" repeats a subscript`);
  }
}
