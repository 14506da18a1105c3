/** A number that is a float in Elixir, also where it is whole. */
export class ElixirFloat {
  constructor(readonly value: number) {}

  text(): string {
    const [digits = "", exponent] = String(this.value).split("e");
    const point = digits.includes(".") ? digits : `${digits}.0`;
    return exponent === undefined ? point : `${point}e${exponent}`;
  }
}

/** mix format's line width. */
const WIDTH = 98;

/**
 * Writes a value as an Elixir term, as mix format would: a Map as a map with string keys, a plain object as a
 * map with atom keys, a symbol as an atom. `used` counts what stands on the line before and after it.
 */
export function elixirTerm(value: unknown, indent = "", used = indent.length): string {
  if (value === null) return "nil";
  if (typeof value === "symbol") return `:${value.description}`;
  if (typeof value === "string") return elixirString(value);
  if (value instanceof ElixirFloat) return value.text();
  // As mix format writes long integers.
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) >= 100_000) {
    return String(value).replace(/\B(?=(\d{3})+$)/g, "_");
  }
  if (typeof value !== "object") return String(value);
  const inner = `${indent}  `;
  const item = (prefix: string, content: unknown) => {
    const text = elixirTerm(content, inner, inner.length + prefix.length + 1);
    const tooLong =
      typeof content === "string" && inner.length + prefix.length + text.length >= WIDTH;
    return tooLong && prefix !== "" ? `${prefix.trimEnd()}\n${inner}  ${text}` : `${prefix}${text}`;
  };
  let items: string[];
  if (Array.isArray(value)) items = value.map((content) => item("", content));
  else if (value instanceof Map) {
    items = [...value].map(([key, content]) => item(`${elixirString(key)} => `, content));
  } else items = Object.entries(value).map(([key, content]) => item(`${key}: `, content));
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["%{", "}"];
  const line = `${open}${items.join(", ")}${close}`;
  if (items.length === 0 || (!line.includes("\n") && used + line.length < WIDTH)) return line;
  return `${open}\n${items.map((text) => inner + text).join(",\n")}\n${indent}${close}`;
}

/** A JSON value with every object as a Map, for string keys. */
export function stringKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stringKeys);
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([key, item]) => [key, stringKeys(item)]));
}

/** Writes an Elixir string; what is not plain ASCII is escaped. */
function elixirString(text: string): string {
  const escaped = [...text].map((character) => {
    const code = character.codePointAt(0) as number;
    if (character === '"' || character === "\\" || character === "#") return `\\${character}`;
    return code >= 0x20 && code < 0x7f ? character : `\\u{${code.toString(16).toUpperCase()}}`;
  });
  return `"${escaped.join("")}"`;
}
