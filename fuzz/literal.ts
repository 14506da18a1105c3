/** A value as TypeScript that makes it again: bigints, bytes, NaN and infinities too. */
export function literal(value: unknown): string {
  if (value instanceof Uint8Array) {
    if (value.every((byte) => byte === 0)) return `new Uint8Array(${value.length})`;
    return `Buffer.from("${Buffer.from(value).toString("hex")}", "hex")`;
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return number(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([name, item]) => `${key(name)}: ${literal(item)}`);
    return `{ ${entries.join(", ")} }`;
  }
  return JSON.stringify(value) ?? "undefined";
}

function number(value: number): string {
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? String(value) : `Number.${special(value)}`;
}

function special(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "POSITIVE_INFINITY" : "NEGATIVE_INFINITY";
}

const key = (name: string) => (/^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name));
