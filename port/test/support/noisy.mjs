// Echoes frames, prints all the time, and says how the port ended.
import { openPort } from "erlang-port";

const port = openPort({
  packet: Number(process.argv[2]),
  onFrame: (frame) => {
    console.log(`frame of ${frame.length} bytes`);
    process.stdout.write("\u0000\u0000\u0000\u0001x\n");
    port.write(frame);
  },
  onEnd: (error) => {
    console.log(`end: ${error?.code ?? "whole"}`);
    port.close();
  },
});
