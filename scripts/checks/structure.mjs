/** Rules of the house that no linter knows. */
import { lineAt, listFiles, read } from "./sources.mjs";

const TEST = /\.test\.tsx?$|^test\//;
/** Tests stand beside their sources and do not count. */
const MOST_FILES_IN_A_FOLDER = 15;
const DEFAULT_EXPORT_ALLOWED = /^app\/(routes\/|root\.tsx|entry\.)|^test\/.*globalSetup|\.config\.(ts|js)$|^tailwind/;

/** `[pattern, where, text]`: what must not occur, in which files, and why. */
const FORBIDDEN = [
  [
    /\bprocess\.env\b/g,
    (file) => file.startsWith("app/") && file !== "app/env.server.ts" && !TEST.test(file),
    "process.env is read by app/env.server.ts only",
  ],
  [/redis\.call|redis\.pcall/g, (file) => file.startsWith("app/"), "Lua belongs into a .lua file loaded with loadScript"],
  [/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w/gm, () => true, "no enum: a union of strings, or a const object"],
  [/\bvi\.mock\(/g, () => true, "no vi.mock: tests use the real thing"],
  [/\b(describe|it|test)\.(skip|only|todo|skipIf|runIf)\b/g, () => true, "tests are not skipped or singled out"],
  [/\b(TODO|FIXME|XXX|HACK)\b/g, () => true, "finish it, or write an issue"],
  [/\bas any\b|:\s*any\b|<any>/g, () => true, "no any"],
  [/^export default\b/gm, (file) => !DEFAULT_EXPORT_ALLOWED.test(file), "named exports only, except where Remix wants a default"],
];

/** Problems as lines of text. */
export function checkStructure() {
  return [...forbidden(), ...luaKeyCounts(), ...scriptHeaders(), ...crowdedFolders()];
}

function forbidden() {
  const problems = [];
  for (const file of listFiles(".ts", ".tsx")) {
    const text = withoutComments(read(file));
    for (const [pattern, applies, reason] of FORBIDDEN) {
      if (!applies(file)) continue;
      for (const match of text.matchAll(pattern)) problems.push(`${file}:${lineAt(text, match.index)}: ${match[0].trim()}: ${reason}`);
    }
  }
  return problems;
}

/** Blanks comments, keeping line numbers. `TODO` in a comment is still found: those are left in. */
function withoutComments(text) {
  const blank = (comment) => (/\b(TODO|FIXME|XXX|HACK)\b/.test(comment) ? comment : comment.replace(/[^\n]/g, " "));
  return text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/[^\n]*/g, blank);
}

/** `take-2.lua` uses KEYS[1] and KEYS[2], and says so in its name, because the caller has to pass the count. */
function luaKeyCounts() {
  const scripts = listFiles(".lua").filter((file) => file.startsWith("app/"));
  return scripts.flatMap((file) => {
    const named = /-(\d+)\.lua$/.exec(file);
    if (!named) return [`${file}: the number of keys is missing in the name (take-2.lua)`];
    const used = Math.max(0, ...[...read(file).matchAll(/KEYS\[(\d+)\]/g)].map((match) => Number(match[1])));
    return used === Number(named[1]) ? [] : [`${file}: its name says ${named[1]} keys, it uses ${used}`];
  });
}

function scriptHeaders() {
  return listFiles(".lua", ".sql")
    .filter((file) => file.startsWith("app/") && !/^\s*--/.test(read(file)))
    .map((file) => `${file}: begins without a comment that says what it does, takes and returns`);
}

/** A reader should see a folder's operations at a glance. Addresses (`app/routes/`) are as many as there are. */
function crowdedFolders() {
  const counts = new Map();
  for (const file of listFiles(".ts", ".tsx", ".sql", ".lua")) {
    if (TEST.test(file) || !/^(app|agent|bench|scripts)\//.test(file) || file.startsWith("app/routes/")) continue;
    const folder = file.slice(0, file.lastIndexOf("/"));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > MOST_FILES_IN_A_FOLDER)
    .map(([folder, count]) => `${folder}/: ${count} files; more than ${MOST_FILES_IN_A_FOLDER} want subfolders`);
}
