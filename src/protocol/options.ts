import {
  GENERATE_OPTIONS,
  GET_OPTIONS,
  type OptionKind,
  type OptionRow,
  RUN_OPTIONS,
} from "../contract/options.js";
import type { SubscriptionSpec } from "../hooks/subscription.js";
import { badMessage, bool, list, map, number, positive, text, unsigned } from "./checks.js";
import { parseHook } from "./hook-messages.js";

/** What each kind of option is once it is checked. */
interface OptionTypes extends Record<OptionKind, unknown> {
  bool: boolean;
  count: number;
  hooks: readonly SubscriptionSpec[];
  id: number;
  milliseconds: number;
  number: number;
  positions: readonly number[];
  strings: readonly string[];
}

/** Options by their rows. What has no default may be undefined. */
type Options<
  Rows extends Readonly<Record<string, OptionRow>>,
  Defaults extends Partial<Record<keyof Rows, unknown>>,
> = {
  -readonly [Name in keyof Rows]:
    | OptionTypes[Rows[Name]["kind"]]
    | (undefined extends Defaults[Name] ? undefined : never);
};

/** The longest delay that Node's timers take. */
const MAX_TIMEOUT = 2 ** 31 - 1;

const CHECKS: {
  readonly [K in OptionKind]: (value: unknown, what: string) => OptionTypes[K];
} = {
  bool,
  count: unsigned,
  hooks: (value, what) => list(value, what).map(parseHook),
  id: unsigned,
  milliseconds: (value, what) => positive(value, what, MAX_TIMEOUT),
  number,
  strings: (value, what) => list(value, what).map((item) => text(item, `an item of ${what}`)),
  positions: (value, what) => list(value, what).map((item) => unsigned(item, `an item of ${what}`)),
};

/** Returns what checks the options of a message. `defaults` makes a new object, since the message is made of it. */
function optionsParser<
  Rows extends Readonly<Record<string, OptionRow>>,
  Defaults extends Partial<Record<keyof Rows, unknown>>,
>(
  message: string,
  rows: Rows,
  defaults: () => Defaults,
): (value: unknown) => Options<Rows, Defaults> {
  const checks = new Map(
    Object.entries<OptionRow>(rows).map(([name, { kind }]) => [
      name,
      { check: CHECKS[kind], what: `${message}'s ${name}` },
    ]),
  );
  const known = [...checks.keys()].join(", ");
  return (value) => {
    const result: Record<string, unknown> = defaults();
    if (value === undefined || value === null) return result as Options<Rows, Defaults>;
    const given = map(value, `${message}'s options`);
    for (const name in given) {
      const row = checks.get(name);
      if (row === undefined) throw badMessage(`an option of ${message}`, name, `one of ${known}`);
      const option = given[name];
      if (option !== undefined && option !== null) result[name] = row.check(option, row.what);
    }
    return result as Options<Rows, Defaults>;
  };
}

const NO_HOOKS: readonly SubscriptionSpec[] = [];
const NO_POSITIONS: readonly number[] = [];

/** The options of a run. */
export const runOptions = optionsParser("run", RUN_OPTIONS, () => ({
  fetch: 0,
  answer: true,
  timeout: undefined,
  hooks: NO_HOOKS,
  print: true,
  donate: NO_POSITIONS,
  parent: undefined,
  replay: undefined,
}));
export type RunOptions = ReturnType<typeof runOptions>;

/** The options of a read. */
export const getOptions = optionsParser("get", GET_OPTIONS, () => ({ bulk: false }));
export type GetOptions = ReturnType<typeof getOptions>;

/** The options of a generation. Their ranges are checked where they are used. */
export const generateOptions = optionsParser("generate", GENERATE_OPTIONS, () => ({}));
export type GenerateMessageOptions = ReturnType<typeof generateOptions>;
