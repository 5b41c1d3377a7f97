/** What the routes of the worker protocol share: ids from the path, and refusals that the worker does not repeat. */
import { AppError } from "../../utils/appError";
import { parseFriendlyId, parseSnapshotId } from "../../utils/ids";
import { runNotFound } from "../dequeue/runHeaders.server";

/** Body of a run id; throws AppError 404 for anything that cannot be one. */
export function parseRunId(text: string): string {
  const id = parseFriendlyId("run", text);
  if (!id) throw runNotFound();
  return id;
}

/** Run and seq that a call quotes. Throws 404 for an impossible run, 400 for a malformed or foreign snapshot. */
export function parseCall(call: { runId: string; snapshotId: string }): { runId: string; seq: number } {
  const runId = parseRunId(call.runId);
  const snapshot = parseSnapshotId(call.snapshotId);
  if (!snapshot || snapshot.runId !== runId) {
    throw new AppError("invalid_snapshot", 400, `"${call.snapshotId.slice(0, 80)}" is not a snapshot of ${call.runId}.`, NO_RETRY);
  }
  return { runId, seq: snapshot.seq };
}

const NO_RETRY = { "x-should-retry": "false" };

/** 409 that will not pass: the worker quoted a snapshot of an earlier attempt, or the run went another way. */
export function staleSnapshot(call: { runId: string; snapshotId: string }, now: string): AppError {
  const text = `${call.snapshotId} does not belong to the running attempt of ${call.runId}: ${now}. Fetch snapshots/latest and go on from there.`;
  return new AppError("stale_snapshot", 409, text, NO_RETRY);
}
