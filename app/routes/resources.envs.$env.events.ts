/** `GET /resources/envs/:env/events`: an event whenever runs of the environment change, at most twice a second. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { requireMemberEnvironment } from "../api/page.server";
import { eventStream } from "../platform/sse.server";
import { getApp } from "../wiring.server";

/** What no run announces (a worker connects, a run falls due) shows with the next of these. */
const REMINDER_MS = 10_000;

/** For members of the environment's organization; 401 without a session. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const { feed } = getApp().engine;
  return eventStream({
    signal: request.signal,
    open: (sink) => {
      const stop = feed.onEnvironment(env.id, () => sink.change());
      const reminder = setInterval(() => sink.change(), REMINDER_MS);
      return () => {
        clearInterval(reminder);
        stop();
      };
    },
  });
}
