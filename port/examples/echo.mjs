// An Erlang port program that sends every frame back. From Erlang:
//   open_port({spawn_executable, Node}, [{args, ["echo.mjs", "4"]}, {packet, 4}, binary, nouse_stdio])
// Printing does not disturb the frames: they travel on descriptors 3 and 4.
import { openPort } from "erlang-port";

const packet = Number(process.argv[2] ?? 4);
const port = openPort({
  packet,
  onFrame: (frame) => {
    port.write(frame);
  },
  onEnd: (error) => {
    if (error) console.error(`echo: ${error.message}`);
    port.close();
  },
});
