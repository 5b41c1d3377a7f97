/** Every environment variable of a domain's `env.ts` has a row in docs/configuration.md, and the other way round. */
import { listFiles, read } from "./sources.mjs";

const DOCUMENT = "docs/configuration.md";

/** Problems as lines of text. */
export function checkConfiguration() {
  const files = listFiles(".ts").filter((file) => /^app\/[^/]+\/env\.ts$/.test(file));
  const declared = new Map(files.flatMap((file) => [...read(file).matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map((match) => [match[1], file])));
  const documented = new Set([...read(DOCUMENT).matchAll(/^\| `([A-Z][A-Z0-9_]+)`/gm)].map((match) => match[1]));
  const merged = read("app/env.server.ts");
  return [
    ...[...declared].filter(([name]) => !documented.has(name)).map(([name, file]) => `${file}: ${name} has no row in ${DOCUMENT}`),
    ...[...documented].filter((name) => !declared.has(name)).map((name) => `${DOCUMENT}: ${name} is not a variable of the server`),
    ...files.filter((file) => !merged.includes(`"./${file.slice(4, -3)}"`)).map((file) => `${file}: not merged in app/env.server.ts`),
  ];
}
