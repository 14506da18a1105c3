import { Tensor } from "../native-tensor.js";
import { isPlainObject } from "../realm.js";
import { Traced } from "../trace/index.js";

/** What a field of a module holds: a tensor, or a traced value while {@link withParameters} binds it. */
export type Parameter = Tensor | Traced;

/** A field that holds a parameter. */
export interface ParameterField {
  /** The keys that lead to it from the module that was walked, with dots between them. */
  readonly name: string;
  /** The object or list that has it. */
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly value: Parameter;
  /** The innermost module that has it, and its name there. */
  readonly module: object;
  readonly local: string;
}

/** Tells a parameter from the other fields of a module. */
export function isParameter(value: unknown): value is Parameter {
  return value instanceof Tensor || value instanceof Traced;
}

/**
 * Returns the fields of a module that hold parameters: its own, and those in its modules, lists and plain objects. What is met a second time
 * is passed over.
 */
export function parameterFields(
  root: object,
  isModule: (value: object) => boolean,
): ParameterField[] {
  const found: ParameterField[] = [];
  const seen = new Set<object>();
  const visit = (holder: object, module: object, path: string, local: string) => {
    if (seen.has(holder)) return;
    seen.add(holder);
    for (const [key, value] of Object.entries(holder)) {
      const name = join(path, key);
      const inside = join(local, key);
      if (isParameter(value)) {
        const fields = holder as Record<string, unknown>;
        found.push({ name, holder: fields, key, value, module, local: inside });
      } else if (typeof value === "object" && value !== null) {
        if (isModule(value)) visit(value, value, name, "");
        else if (Array.isArray(value) || isPlainObject(value)) visit(value, module, name, inside);
      }
    }
  };
  visit(root, root, "", "");
  return found;
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}
