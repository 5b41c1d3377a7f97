/** Output that was made for a terminal, as lines for a page. */

/* eslint-disable no-control-regex */
const COLOURS = /\u001b\[[0-9;]*m/g;
/** Cursor movements: what follows overwrites what was there. */
const MOVEMENTS = /\u001b\[[0-9;?]*[ -/]*[@-ln-~]|\r(?!\n)/g;
/* eslint-enable no-control-regex */
/** A frame of a spinner, or the bars of a frame around messages. */
const DECORATION = /^\s*([◒◐◓◑⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏].*|[│┌└├─]+)?\s*$/u;

/** Lines without colours, spinners and frames. */
export function plainLines(text: string): string[] {
  const lines = text.replaceAll(COLOURS, "").replaceAll(MOVEMENTS, "\n").split(/\r?\n/);
  return lines.filter((line) => !DECORATION.test(line));
}

const BULLET = /^\s*[│┌└├■▲◆◇●✖✗✔]\s*/u;
/** Says that it failed, not why. */
const EMPTY_WORDS =
  /^(deployment failed|failed|error|npm (error|err!)|npm (error|err!) (A complete log of this run can be found in|Log files were not written|You can rerun the command).*)[.!]?$/i;

/** The line of a command's output that says best why it ended: its last, without what only says that it failed. */
export function lastWords(text: string): string | null {
  const lines = plainLines(text);
  const marked = lines.findLast((line) => /^\s*[■✖✗]\s*\S/u.test(line));
  const line = marked ?? lines.findLast((candidate) => !EMPTY_WORDS.test(candidate.replace(BULLET, "").trim()));
  return line?.replace(BULLET, "").trim().slice(0, 300) || null;
}
