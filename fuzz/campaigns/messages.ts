import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.js";
import { BulkListener } from "../../src/protocol/bulk.js";
import type { Host } from "../../src/protocol/host.js";
import { DEFAULT_LIMITS } from "../../src/protocol/limits.js";
import { SessionList } from "../../src/protocol/memory.js";
import { drawTensorFile } from "../bytes/formats.js";
import type { Campaign } from "../campaign.js";
import { drawStream, type Stream } from "../messages/draw-stream.js";
import { feed } from "../messages/feed.js";
import { Random } from "../random.js";
import { SettledMemory } from "../settled-memory.js";

/** Sessions whose clients make mistakes, on one engine. */
export async function messageCampaign(): Promise<Campaign<Stream>> {
  const folder = mkdtempSync(join(tmpdir(), "davit-fuzz-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  process.chdir(folder);
  for (const format of ["safetensors", "rec"] as const) {
    writeFileSync(`case.${format}`, drawTensorFile(new Random(1), format));
  }
  const engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 29, cacheLimit: 0 });
  const bulk = await BulkListener.open();
  const host: Host = {
    engine,
    instance: "fuzz",
    bulk,
    limits: { ...DEFAULT_LIMITS, maxFrameBytes: 2 ** 20 },
    versions: {},
    devices: ["cpu"],
    sessions: new SessionList(),
  };
  const memory = new SettledMemory(engine);
  return {
    draw: (seed) => drawStream(new Random(seed)),
    run: (stream) => feed(host, stream),
    settle: () => memory.leak(),
    close: async () => {
      bulk.close();
      await engine.close();
    },
  };
}
