/** A form that travels as a list: its name, then its arguments. A policy or view without arguments is its name alone. */
export interface FormRow {
  /** The arguments, by their names. */
  readonly arguments: Readonly<Record<string, ArgumentRow>>;
  readonly doc: string;
}

/** What an argument of a form may be. Numbers lie between `least` and `most`; those of an `open` range are above `least`. */
export type ArgumentRow =
  | { readonly kind: "bytes"; readonly length: number }
  | { readonly kind: "text" | "glob" }
  | {
      readonly kind: "integer" | "number";
      readonly least: number;
      readonly most: number;
      readonly open?: true;
    }
  | { readonly kind: "sizes" };

/** The largest integer that the native engine takes. */
export const MAX_INT = 2 ** 31 - 1;

/** Which sites are meant. A glob has `*` for any characters, `?` for one, and `\` before one that is taken as it is. */
export const MATCHES = {
  all: { arguments: {}, doc: "Every hook and print." },
  id: {
    arguments: { id: { kind: "bytes", length: 16 } },
    doc: "The hooks and prints with this id.",
  },
  name: { arguments: { name: { kind: "text" } }, doc: "The hooks and prints with this name." },
  label: {
    arguments: { glob: { kind: "glob" } },
    doc: "The hooks and prints whose label matches; of one without a label, whose name matches.",
  },
  probe: { arguments: { glob: { kind: "glob" } }, doc: "Every node whose label matches." },
} as const satisfies Readonly<Record<string, FormRow>>;

/** Which events of a site a subscriber gets. */
export const POLICIES = {
  every: { arguments: {}, doc: "Each one. The run waits for a slow reader." },
  latest: {
    arguments: {},
    doc: "The newest when the reader is ready. One event is in flight at a time, and the newest value waits for its turn.",
  },
  sample: {
    arguments: { n: { kind: "integer", least: 1, most: MAX_INT } },
    doc: "Each n-th one, from the first.",
  },
  rate: {
    arguments: { hz: { kind: "number", least: 0, most: 1e6, open: true } },
    doc: "So many a second at most.",
  },
} as const satisfies Readonly<Record<string, FormRow>>;

/** A form as TypeScript has it: a name, or an object with the name and its one number. */
export type NumberForm<Rows extends Readonly<Record<string, FormRow>>> = {
  [Name in keyof Rows]: keyof Rows[Name]["arguments"] extends never
    ? Name
    : { readonly [Key in Name]: number };
}[keyof Rows];

/** What of a value a subscriber gets. */
export const VIEWS = {
  full: { arguments: {}, doc: "All of it." },
  slice: {
    arguments: { start: { kind: "sizes" }, size: { kind: "sizes" } },
    doc: "A part, from where it starts on each axis, and its size there. It is clipped to the value. Axes that are not given are taken whole.",
  },
  summary: {
    arguments: { bins: { kind: "integer", least: 0, most: 4096 } },
    doc: "Count, least, greatest, mean, standard deviation, NaNs, infinities and a histogram of so many bins.",
  },
} as const satisfies Readonly<Record<string, FormRow>>;

/** The kinds of nodes that can be watched. */
export const SITE_KINDS = {
  hook: "a node `custom_call.hook`",
  hook_gradient:
    "a node `custom_call.hook_gradient`: its values are the cotangents of its operands",
  print: "a node `custom_call.print`",
  callback: "a node `custom_call.callback`, which waits for a reply",
  node: "any other node, where it has a label",
} as const;
export type SiteKind = keyof typeof SITE_KINDS;

/** What is known of a site, wherever it is: in the engine, and on its way to a client. */
export interface SiteFields {
  /** The node's number in program order, counted over all functions. */
  readonly number: number;
  /** Its index in its function. */
  readonly node: number;
  readonly kind: SiteKind;
  /** 16 bytes; only a plain node has none. */
  readonly id?: Uint8Array;
  readonly name?: string;
  readonly label?: string;
  /** The last value says who gets the others, in a form that the client knows. */
  readonly destination?: true;
  /** The options of a print. */
  readonly print?: { readonly precision?: number; readonly limit?: number };
}
