/** mix format's line width. */
const WIDTH = 98;

/** Writes a JSON value as an Elixir term: objects as maps with string keys. */
export function elixirTerm(value: unknown, indent = ""): string {
  if (value === null) return "nil";
  if (typeof value === "string") return elixirString(value);
  if (typeof value !== "object") return String(value);
  const inner = `${indent}  `;
  const [open, close, items] = Array.isArray(value)
    ? ["[", "]", value.map((item) => elixirTerm(item, inner))]
    : [
        "%{",
        "}",
        Object.entries(value).map(([key, item]) => {
          const entry = `${elixirString(key)} => ${elixirTerm(item, inner)}`;
          const tooLong = typeof item === "string" && inner.length + entry.length >= WIDTH;
          return tooLong ? entry.replace(" => ", ` =>\n${inner}  `) : entry;
        }),
      ];
  if (items.length === 0) return open + close;
  const line = `${open}${items.join(", ")}${close}`;
  if (!line.includes("\n") && indent.length + line.length < 90) return line;
  return `${open}\n${items.map((item) => inner + item).join(",\n")}\n${indent}${close}`;
}

/** Writes an Elixir string; what is not plain ASCII is escaped. */
export function elixirString(text: string): string {
  const escaped = [...text].map((character) => {
    const code = character.codePointAt(0) as number;
    if (character === '"' || character === "\\" || character === "#") return `\\${character}`;
    return code >= 0x20 && code < 0x7f ? character : `\\u{${code.toString(16).toUpperCase()}}`;
  });
  return `"${escaped.join("")}"`;
}
