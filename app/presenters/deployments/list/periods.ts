/** When a deployment was the current one, read from the promotion history. Pure. */
import type { Words } from "../../views";

export type PointerMove = { generation: number; kind: string; fromId: string | null; toId: string; at: Date; by: string };
/** Epoch milliseconds; `to` is null while it lasts. `rolledBack`: it ended by a rollback. */
export type Period = { from: number; to: number | null; rolledBack: boolean };

/** Periods of one deployment, oldest first. `moves` are those from or to it, in any order. */
export function periodsOf(moves: readonly PointerMove[], id: string): Period[] {
  const periods: Period[] = [];
  for (const move of [...moves].sort((a, b) => a.generation - b.generation)) {
    if (move.kind === "confirm_rollback") continue;
    const open = periods.at(-1);
    if (move.toId === id) periods.push({ from: move.at.getTime(), to: null, rolledBack: false });
    else if (move.fromId === id && open) Object.assign(open, { to: move.at.getTime(), rolledBack: move.kind === "rollback" });
  }
  return periods;
}

const KIND_WORDS: Record<string, string> = {
  promote: "Promoted",
  auto_promote: "Promoted automatically",
  rollback: "Rolled back",
  confirm_rollback: "Rollback confirmed",
};

/** One line of the history: "Rolled back from 20261121.3 to 20261121.2". */
export function moveWords(move: { kind: string; fromVersion: string | null; toVersion: string | null }): Words {
  const to = { code: move.toVersion ?? "a deleted version" };
  const kind = KIND_WORDS[move.kind] ?? move.kind;
  if (move.kind === "confirm_rollback") return [`${kind}: `, to, " stays"];
  return move.fromVersion === null ? [`${kind}: `, to] : [`${kind} from `, { code: move.fromVersion }, " to ", to];
}
