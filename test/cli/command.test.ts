import { expect, it } from "vitest";
import { type Command, parseCommand, single } from "../../src/cli/command.js";

const command: Command = {
  summary: "",
  help: "",
  options: {
    out: { type: "string" },
    hook: { type: "string", multiple: true },
    json: { type: "boolean" },
  },
  positionals: ["GRAPH", "OTHER?"],
  run: async () => 0,
};
const parse = (...argv: string[]) => parseCommand(command, argv);

it("takes options and positional arguments in any order", () => {
  const args = parse("--json", "g", "--hook", "a", "--hook=b=c", "--out=x.npz", "h");
  expect([...args.flags]).toEqual(["json"]);
  expect(args.values.get("hook")).toEqual(["a", "b=c"]);
  expect(single(args, "out")).toBe("x.npz");
  expect(single(args, "hooks")).toBeUndefined();
  expect(args.positionals).toEqual(["g", "h"]);
});

it("takes everything after -- as it is", () => {
  expect(parse("--", "--json", "-x").positionals).toEqual(["--json", "-x"]);
});

it.each([
  [["g", "--hok", "*"], "unknown option --hok; did you mean --hook?"],
  [["g", "--frobnicate"], "unknown option --frobnicate"],
  [["g", "-x"], "unknown option -x"],
  [["g", "--constructor"], "unknown option --constructor"],
  [["g", "--out"], "--out needs a value"],
  [["g", "--json=yes"], "--json takes no value"],
  [[], "GRAPH is missing"],
  [["g", "h", "i"], 'unexpected argument "i"'],
])("refuses %j", (argv, message) => {
  expect(() => parse(...argv)).toThrow(
    expect.objectContaining({
      name: "UsageError",
      message: expect.stringMatching(literal(message)),
    }),
  );
});

it("refuses an option given twice where one is wanted", () => {
  expect(() => single(parse("g", "--out", "a", "--out", "b"), "out")).toThrow(
    "--out was given 2 times",
  );
});

/** A pattern that matches exactly this text. */
function literal(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}
