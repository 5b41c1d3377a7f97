/** `GET /resources/envs/:env/deployments/events`: an event whenever a deployment of the environment changes its phase. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { requireMemberEnvironment } from "../api/page.server";
import { eventStream } from "../platform/sse.server";
import { getApp } from "../wiring.server";

/** What no phase announces (a promotion, a replica that is gone) shows with the next of these. */
const REMINDER_MS = 5_000;

/** For members of the environment's organization; 401 without a session. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const { feed } = getApp().deployments;
  return eventStream({
    signal: request.signal,
    open: (sink) => {
      const stop = feed.onEnvironment(env.id, () => sink.changeNow());
      const reminder = setInterval(() => sink.change(), REMINDER_MS);
      return () => {
        clearInterval(reminder);
        stop();
      };
    },
  });
}
