/**
 * Reads what a bundle's Containerfile alone knows: the commands of build layers (extensions such as prisma add them) and
 * the names of build variables. Everything else in it is how a container is made, which nobody here does.
 */

export type BuildStage = {
  /** Shell commands, in order, to be run in the release's folder between the two copies of the bundle. */
  commands: string[];
  /** Variables that the commands and the installation see; their values come with the deployment. */
  buildArgs: string[];
};

type Instruction = { keyword: string; rest: string };

const BUILD_STAGE = /\sas\s+build\s*$/i;
/** The copy of the whole bundle: `COPY --chown=node:node . .` */
const WHOLE_COPY = /^(--\S+\s+)*\.\s+\.\/?$/;
const LAST_COMMAND = "mkdir -p node_modules";
const HEREDOC = /<<-?\s*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1/;

/** Parses a Containerfile as CLI 4.6 and later write it. A file without a build stage, or none of these parts, has no commands. */
export function parseContainerfile(text: string): BuildStage {
  const stage = buildStageOf(instructionsOf(text));
  const workdir = stage.findLastIndex(({ keyword }) => keyword === "WORKDIR");
  const afterWorkdir = stage.slice(workdir + 1);
  const copies = afterWorkdir.flatMap(({ keyword, rest }, at) => (keyword === "COPY" && WHOLE_COPY.test(rest) ? [at] : []));
  const first = copies[0];
  if (first === undefined) return { commands: [], buildArgs: [] };
  const commands = afterWorkdir
    .slice(first + 1, copies[1] ?? afterWorkdir.length)
    .filter(({ keyword }) => keyword === "RUN")
    .map(({ rest }) => shellOf(rest))
    .filter((command) => command !== LAST_COMMAND);
  const buildArgs = afterWorkdir
    .slice(0, first)
    .filter(({ keyword }) => keyword === "ARG")
    .map(({ rest }) => rest.split("=")[0]?.trim() ?? "");
  return { commands, buildArgs: [...new Set(buildArgs.filter(Boolean))] };
}

/** The instructions of the last stage named build; the file has one. */
function buildStageOf(instructions: readonly Instruction[]): Instruction[] {
  const start = instructions.findLastIndex(({ keyword, rest }) => keyword === "FROM" && BUILD_STAGE.test(` ${rest}`));
  if (start < 0) return [];
  const rest = instructions.slice(start + 1);
  const end = rest.findIndex(({ keyword }) => keyword === "FROM");
  return end < 0 ? rest : rest.slice(0, end);
}

/** Instructions with their continuation lines and here-documents joined; comments are dropped. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const out: Instruction[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? "").trim();
    if (line === "" || line.startsWith("#")) continue;
    let whole = line;
    while (whole.endsWith("\\") && at + 1 < lines.length) {
      const next = lines[++at] ?? "";
      if (!next.trim().startsWith("#")) whole = whole.slice(0, -1) + next.trim();
    }
    const word = HEREDOC.exec(whole)?.[2];
    const body = word === undefined ? [] : hereDocument(lines, at + 1, word);
    at += body.length;
    out.push(split([whole, ...body].join("\n")));
  }
  return out;
}

/** Lines up to and with the one that ends the document; empty when nothing ends it. */
function hereDocument(lines: readonly string[], from: number, word: string): string[] {
  const end = lines.findIndex((line, at) => at >= from && line.trim() === word);
  return end < 0 ? [] : lines.slice(from, end + 1);
}

function split(text: string): Instruction {
  const at = text.search(/\s/);
  if (at < 0) return { keyword: text.toUpperCase(), rest: "" };
  return { keyword: text.slice(0, at).toUpperCase(), rest: text.slice(at + 1).trim() };
}

/** A `RUN` as a shell command: mount and network flags go, the array form is quoted, a bare here-document is its body. */
function shellOf(rest: string): string {
  const command = rest.replace(/^(--[a-z]+(=\S+)?\s+)+/, "");
  const heredoc = /^<<-?\s*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1\n([\s\S]*)\n[^\n]*$/.exec(command);
  if (heredoc?.[3] !== undefined) return heredoc[3];
  if (!command.startsWith("[")) return command;
  try {
    const words = JSON.parse(command) as unknown;
    if (Array.isArray(words)) return words.map((word) => `'${String(word).replaceAll("'", `'\\''`)}'`).join(" ");
  } catch {
    // A shell test, `[ -f x ] && ...`, begins with the same character.
  }
  return command;
}
