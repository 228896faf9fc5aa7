// Small changes of modules, one at a time, as StrykerJS makes them: node tests/mutants.mjs FILE... writes [{ file, start,
// end, replacement }, ...], places in the file's text. What strings say is left alone, and so are errors that are thrown.

import { readFileSync } from "node:fs";
import { Instrumenter } from "@stryker-mutator/instrumenter";

const names = ["trace", "debug", "info", "warn", "error", "fatal", "isDebugEnabled"];
const silent = Object.fromEntries(names.map((name) => [name, () => false]));
const files = process.argv.slice(2).map((name) => ({ name, mutate: true, content: readFileSync(name, "utf8") }));
const options = { plugins: null, excludedMutations: ["StringLiteral"], ignorers: [] };
const { mutants } = await new Instrumenter(silent).instrument(files, options);
const changes = mutants.filter(({ status }) => status !== "Ignored").map(({ fileName, location, replacement }) => {
  const lines = files.find(({ name }) => name === fileName).content.split("\n");
  const [start, end] = [location.start, location.end].map(
    ({ line, column }) => lines.slice(0, line).reduce((sum, { length }) => sum + length + 1, 0) + column,
  );
  return { file: fileName, start, end, replacement };
});
console.log(JSON.stringify(changes));
