// The program behind an Erlang port: sends every frame back.
//   Port.open({:spawn_executable, node},
//     [:binary, :nouse_stdio, packet: 4, args: ["echo.mjs", "4"]])
// Printing does not disturb the frames: they travel on descriptors 3 and 4.
import { openPort } from "erlang-port";

const port = openPort({
  packet: Number(process.argv[2] ?? 4),
  onFrame: (frame) => {
    port.write(frame);
  },
});
