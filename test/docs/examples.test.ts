import { afterAll, describe, expect, it } from "vitest";
import { ExampleModule, pageExamples } from "../support/doc-examples.js";

describe.each(["engine.md", "files.md", "hooks.md", "models.md", "tensors.md", "trace.md"])(
  "the examples of %s",
  (page) => {
    const examples = pageExamples(page);
    const program = new ExampleModule(examples);
    afterAll(() => program.remove());

    it("print what it says", async () => {
      expect(await program.run()).toEqual(examples.map(({ output }) => output));
    });

    it("have the types they need", async () => {
      expect(await program.typeErrors()).toBe("");
    });
  },
);
