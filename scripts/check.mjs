/** `npm run check`: everything about the sources that a machine can decide. Runs all parts, then fails if one did. */
import { checkConfiguration } from "./checks/configuration.mjs";
import { checkImports } from "./checks/imports.mjs";
import { checkStructure } from "./checks/structure.mjs";
import { generateClients } from "./lib/generate.mjs";
import { requireNode } from "./lib/packages.mjs";
import { root, runNode, say } from "./lib/run.mjs";

requireNode();
process.chdir(root);
generateClients();

const parts = [
  ["types", () => runNode("node_modules/typescript/bin/tsc", ["--noEmit", "-p", "."])],
  ["lint", () => runNode("node_modules/oxlint/bin/oxlint", ["--deny-warnings"])],
  ["format", () => runNode("node_modules/prettier/bin/prettier.cjs", ["--check", "--log-level=warn", "."])],
  ["imports", () => list(checkImports())],
  ["structure", () => list(checkStructure())],
  ["configuration", () => list(checkConfiguration())],
];

function list(problems) {
  for (const problem of problems) say(`  ${problem}`);
  return problems.length;
}

const wanted = process.argv.slice(2);
const failed = [];
for (const [name, part] of parts) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  say(`${name} ...`);
  if ((await part()) !== 0) failed.push(name);
}
say(failed.length === 0 ? "\nAll checks passed." : `\nFailed: ${failed.join(", ")}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
