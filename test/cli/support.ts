import { afterEach, beforeEach, vi } from "vitest";

/** What a command has printed in the test under way. */
export interface Printed {
  out: string;
  err: string;
}

/** Keeps what is printed in each test of a file from the terminal. */
export function capturePrinted(): Printed {
  const printed = { out: "", err: "" };
  beforeEach(() => {
    printed.out = printed.err = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      printed.out += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      printed.err += text;
      return true;
    });
    vi.spyOn(console, "log").mockImplementation((text) => {
      printed.out += `${text}\n`;
    });
    vi.spyOn(console, "error").mockImplementation((text) => {
      printed.err += `${text}\n`;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return printed;
}
