import type { Socket } from "node:net";
import { openPort, type PortError, type PortOptions } from "../../src/index.js";

/** A port that keeps what it gets; `until(done)` waits for what it gets. */
export function recorder(socket: Socket, options: Partial<PortOptions> = {}) {
  const frames: Buffer[] = [];
  const ends: (PortError | undefined)[] = [];
  let wake = () => {};
  const port = openPort({
    input: socket,
    output: socket,
    onFrame: (frame) => {
      frames.push(frame);
      wake();
    },
    onEnd: (error) => {
      ends.push(error);
      wake();
    },
    ...options,
  });
  const until = async (done: () => boolean) => {
    while (!done()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { port, frames, ends, until };
}
