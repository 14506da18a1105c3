// Opens the descriptors named on the command line, echoes, and reports on stderr.
import { openPort } from "erlang-port";

const [packet, input, output] = process.argv.slice(2).map(Number);
try {
  const port = openPort({
    packet,
    input,
    output,
    onFrame: (frame) => port.write(frame),
    onEnd: (error) => {
      console.error(`end: ${error?.code ?? "whole"}`);
      port.close();
    },
  });
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
}
