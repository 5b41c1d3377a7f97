/** `GET /resources/envs/:env/runs/:run/events`: an event whenever the run changes, and while it lives every two seconds. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { requireMemberEnvironment } from "../api/page.server";
import { eventStream } from "../platform/sse.server";
import { isFinal } from "../runops/runStates";
import { AppError } from "../utils/appError";
import { parseFriendlyId } from "../utils/ids";
import { getApp } from "../wiring.server";

/** Spans and logs arrive outside of the run's transitions. */
const TELEMETRY_MS = 2_000;
/** The last spans of an attempt arrive up to this long after its end. */
const AFTERMATH_MS = 6_000;

/** For members of the environment's organization; 401 without a session, 404 for a run of another environment. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const app = getApp();
  const id = parseFriendlyId("run", params.run ?? "");
  const run = id === null ? undefined : (await app.store.getRuns(env.id, [id])).get(id);
  if (!id || !run) throw new AppError("run_not_found", 404, "There is no such run in this environment.");
  return eventStream({
    signal: request.signal,
    open: (sink) => {
      let quietAt: number | null = isFinal(run.status) ? app.clock.now() + AFTERMATH_MS : null;
      const stop = app.engine.feed.onRun(env.id, id, (change) => {
        quietAt = isFinal(change.status) ? app.clock.now() + AFTERMATH_MS : null;
        sink.change();
      });
      const telemetry = setInterval(() => {
        if (quietAt === null || app.clock.now() < quietAt) sink.change();
      }, TELEMETRY_MS);
      return () => {
        clearInterval(telemetry);
        stop();
      };
    },
  });
}
