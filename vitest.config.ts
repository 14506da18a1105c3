import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "davit-engine": source("./src/index.ts"),
      "erlang-port": source("./port/src/index.ts"),
    },
  },
  test: {
    include: ["test/**/*.test.ts", "port/test/**/*.test.ts", "integration/**/*.test.ts"],
    // The addon owns threads and is loaded once a process: no worker threads.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
