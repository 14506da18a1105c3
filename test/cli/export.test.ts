import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";
import { writeTensors } from "../../src/files/index.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Graph } from "../../src/graph/graph.js";
import { namedId } from "../../src/hooks/ids.js";
import { openFunction } from "../../src/index.js";
import { tensor } from "../support/data.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { capturePrinted } from "./support.js";

const at = temporaryFolder();
const printed = capturePrinted();

/** `hook(x + w) * scale` for inputs of a size, `w` being an external. */
const scaled = (size: number): Graph => {
  const type = { dtype: "float32", shape: [size] } as const;
  const weights = { dtype: "float32", shape: [] } as const;
  const hook = { id: namedId("seen"), name: "seen" };
  return {
    functions: [
      {
        name: "main",
        parameters: [type, type],
        parameterNames: ["x", "scale"],
        nodes: [
          { op: "external", inputs: [], attributes: { ...weights, name: "w" }, outputs: 1 },
          { op: "add", inputs: [0, 2], attributes: {}, outputs: 1 },
          { op: "custom_call.hook", inputs: [3], attributes: hook, outputs: 1 },
          { op: "multiply", inputs: [4, 1], attributes: {}, outputs: 1 },
        ],
        results: [5],
      },
    ],
  };
};

describe("davit export", () => {
  beforeAll(async () => {
    await writeFile(at("two.davit"), encodeGraph(scaled(2)));
    await writeFile(at("three.davit"), encodeGraph(scaled(3)));
    await writeTensors(at("weights.safetensors"), new Map([["w", tensor("float32", [], [10])]]));
    await writeTensors(at("x.npy"), new Map([["value", tensor("float32", [3], [1, 2, 3])]]));
  });

  it("writes graphs as the traces of a function, which runs", async () => {
    const graphs = [at("two.davit"), at("three.davit")];
    const externals = ["--externals", at("weights.safetensors")];
    const options = ["--keyword", "scale", "--metadata", "here", "--out", at("f.mlxfn")];
    expect(await main(["export", ...graphs, ...externals, ...options])).toBe(0);
    expect(printed.err).toMatch(/f\.mlxfn: 2 traces, without 2 hooks and prints/);
    expect(openFunction(at("f.mlxfn"))).toMatchObject({
      metadata: "here",
      signatures: [{ keywords: ["scale"] }, { keywords: ["scale"] }],
    });
    const inputs = ["--input", at("x.npy"), "--input", `scale=${at("x.npy")}`];
    expect(await main(["run", at("f.mlxfn"), ...inputs])).toBe(0);
    expect(printed.out).toMatch(/0: float32\[3\]\narray\(\[11, 24, 39\]/);
  });

  it("refuses what is not there, and keywords that are not the last parameters", async () => {
    const out = ["--out", at("never.mlxfn")];
    expect(await main(["export", at("two.davit")])).toBe(2);
    expect(printed.err).toMatch(/--out FILE\.mlxfn is missing/);
    expect(await main(["export", at("two.davit"), ...out])).toBe(2);
    expect(printed.err).toMatch(/1 externals of the graph are in no file/);
    expect(await main(["export", at("two.davit"), ...out, "--keyword", "x"])).toBe(2);
    expect(printed.err).toMatch(/--keyword x: these are not the last parameters of .*two\.davit/);
    expect(await main(["export", at("none.davit"), ...out])).toBe(1);
  });
});
