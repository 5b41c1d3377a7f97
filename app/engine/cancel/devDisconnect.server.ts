/** A dev session ended: its runs have no process any more, so they end at once, without asking a worker. */
import type { EnvironmentView } from "../../environments/types";
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import type { CancelInput, CancelOutcome } from "../types";

const MAX_DISCONNECT_RUNS = 500;
const AT_ONCE = 25;

export class DevDisconnectService {
  constructor(private readonly cancel: (input: CancelInput) => Promise<CancelOutcome>) {}

  /** How many runs were cancelled; unknown and finished ones do not count. Throws AppError 400 for more than 500 ids. */
  async call(env: EnvironmentView, runFriendlyIds: readonly string[]): Promise<{ cancelled: number }> {
    if (env.type !== "DEVELOPMENT") {
      throw new AppError("not_development", 400, `${env.slug} is not a development environment: only dev sessions disconnect.`);
    }
    if (runFriendlyIds.length > MAX_DISCONNECT_RUNS) {
      throw new AppError("too_many_runs", 400, `At most ${MAX_DISCONNECT_RUNS} runs a call, got ${runFriendlyIds.length}.`);
    }
    const ids = [...new Set(runFriendlyIds)].map((id) => parseFriendlyId("run", id)).filter((id) => id !== null);
    let cancelled = 0;
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const outcomes = await Promise.all(ids.slice(at, at + AT_ONCE).map((runId) => this.end(env.id, runId)));
      cancelled += outcomes.filter((outcome) => outcome.kind === "canceled").length;
    }
    return { cancelled };
  }

  private end(envId: string, runId: string): Promise<CancelOutcome> {
    return this.cancel({ envId, runId, reason: "Dev session ended (CLI exited)", immediate: true });
  }
}
