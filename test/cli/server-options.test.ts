import { expect, it } from "vitest";
import { parseCommand } from "../../src/cli/command.js";
import { engineOptions } from "../../src/cli/engine-options.js";
import { port } from "../../src/cli/port.js";
import { serverOptions } from "../../src/cli/server-options.js";

const parse = (...argv: string[]) => parseCommand(port, argv);

it("reads how an engine works and how it is served", () => {
  const args = parse("--lanes", "2", "--memory-limit", "4M", "--busy-wait", "0");
  expect(engineOptions(args)).toEqual({ lanes: 2, memoryLimit: 4 * 2 ** 20 });
  expect(serverOptions(args)).toEqual({ busyWait: 0 });
  expect(serverOptions(parse("--no-attach"))).toEqual({ attachable: false });
  const limits = { tensorBytes: 3 * 2 ** 30 };
  expect(serverOptions(parse("--session-memory", "3G"))).toEqual({ limits });
});

it("leaves what is not given to the engine and the server", () => {
  expect(engineOptions(parse())).toEqual({});
  expect(serverOptions(parse())).toEqual({});
});

it.each(["-1", "soon", "1.5", ""])("refuses to wait for %j microseconds", (text) => {
  expect(() => serverOptions(parse(`--busy-wait=${text}`))).toThrow(
    `--busy-wait is "${text}"; expected a number of microseconds`,
  );
});
