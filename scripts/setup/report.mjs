/** What set-up says while it works, and how it says that it cannot. */

/** A step that failed: what went wrong, and what the reader can do about it. */
export class SetupError extends Error {
  constructor(what, remedy) {
    super(what);
    this.name = "SetupError";
    this.remedy = remedy;
  }
}

export const say = (line) => process.stderr.write(`davit setup: ${line}\n`);

/** Prints a failure and ends the process; anything but a SetupError is a fault of the scripts. */
export function fail(error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\ndavit setup failed: ${error.message}\n`);
  if (error.remedy) process.stderr.write(`\nWhat to do: ${error.remedy}\n`);
  process.exit(1);
}
