/** TypeScript entries as files that Node runs at once: a process that compiles itself spends a second on it, each time. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";

const root = path.resolve(import.meta.dirname, "../..");
const compiled = new Map<string, string>();

/** `entry`: path below the root. Returns the compiled file, which finds packages as its source does. */
export function compile(entry: string): string {
  const known = compiled.get(entry);
  if (known) return known;
  const directory = path.join(root, ".tmp/compiled");
  mkdirSync(directory, { recursive: true });
  const outfile = path.join(directory, `${path.basename(entry, ".ts")}.${process.pid}.mjs`);
  const settings = { bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "silent" } as const;
  buildSync({ ...settings, absWorkingDir: root, entryPoints: [path.join(root, entry)], outfile });
  compiled.set(entry, outfile);
  return outfile;
}
