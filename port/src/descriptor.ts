import { fstatSync, type Stats } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { isatty } from "node:tty";
import { PortError } from "./error.js";
import { checkInteger } from "./packet.js";
import type { FrameReader } from "./reader.js";

/** Opens a pipe or socket for reading straight into the reader's memory, or for writing, or both. */
export function openDescriptor(
  fd: number,
  use: { reader?: FrameReader; writable: boolean },
): Socket {
  const { reader, writable } = use;
  if (!reader) return openSocket({ fd, readable: false, writable });
  const onread = {
    // Called before each read: Node reads into the buffer that this returns.
    buffer: () => reader.target(),
    callback: (count: number) => {
      reader.filled(count);
      return true;
    },
  };
  // The types know `buffer` as a value only; the function is documented for net.connect.
  return openSocket({ fd, readable: true, writable, allowHalfOpen: writable, onread } as object);
}

function openSocket(options: SocketConstructorOpts): Socket {
  try {
    return new Socket(options);
  } catch (cause) {
    const text = `descriptor ${options.fd} cannot be opened: ${(cause as Error).message}`;
    throw new PortError("descriptor_invalid", text, { cause });
  }
}

/** Throws unless the descriptor is an open pipe or socket. */
export function checkDescriptor(fd: number, name: "input" | "output"): void {
  checkInteger(fd, `${name} descriptor`, 0);
  const advice =
    "expected a pipe or a socket: is this program run as an Erlang port with :nouse_stdio (descriptors 3 and 4)?";
  let stats: Stats;
  try {
    stats = fstatSync(fd);
  } catch (error) {
    throw new PortError("descriptor_invalid", `${name} descriptor ${fd} is not open; ${advice}`, {
      cause: error,
    });
  }
  if (stats.isFIFO() || stats.isSocket()) return;
  throw new PortError(
    "descriptor_invalid",
    `${name} descriptor ${fd} is ${kind(fd, stats)}; ${advice}`,
  );
}

function kind(fd: number, stats: Stats): string {
  if (isatty(fd)) return "a terminal";
  if (stats.isFile()) return "a file";
  if (stats.isDirectory()) return "a directory";
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return "a device";
  return "neither a pipe nor a socket";
}
