/** `GET /resources/envs/:env/deployments/:code/events`: an event for every change of one deployment: row, step, line, instance. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { requireMemberEnvironment } from "../api/page.server";
import { eventStream } from "../platform/sse.server";
import { deploymentOfCode } from "../deployments/rows/findByShortCode.server";
import { getApp } from "../wiring.server";

/** What nothing announces (an agent that fell silent) shows with the next of these. */
const REMINDER_MS = 5_000;

/** For members of the environment's organization; 401 without a session, 404 for a deployment of another environment. */
export async function loader({ request, params }: LoaderFunctionArgs): Promise<Response> {
  const env = await requireMemberEnvironment(request, params.env ?? "");
  const { feed, pool } = getApp().deployments;
  const { id } = await deploymentOfCode(pool, env, params.code ?? "");
  return eventStream({
    signal: request.signal,
    open: (sink) => {
      const stops = [
        feed.onDeployment(id, () => sink.change()),
        feed.onEnvironment(env.id, (moved) => (moved?.deploymentId === id ? sink.changeNow() : sink.change())),
      ];
      const reminder = setInterval(() => sink.change(), REMINDER_MS);
      return () => {
        clearInterval(reminder);
        for (const stop of stops) stop();
      };
    },
  });
}
