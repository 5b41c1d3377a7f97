/** `GET /api/v1/deployments/:id/events?after=seq`: log lines as JSON, or as an event stream for who accepts one. */
import { z } from "zod";
import { deploymentOf, deploymentParams } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { sseResponse, type Followed, type SseMessage } from "../deployments/api/followDeployment.server";
import { eventView } from "../deployments/api/views";
import { isTerminal } from "../deployments/phases";

const Query = z.object({
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
});

export const loader = apiLoader({ auth: "environment", params: deploymentParams, query: Query }, async (context) => {
  const { app, request, caller, params, query } = context;
  const deployment = await deploymentOf(app, caller, "read", params.deploymentId);
  const after = query.after ?? (Number(request.headers.get("last-event-id")) || 0);
  if (request.headers.get("accept")?.includes("text/event-stream")) {
    return sseResponse(messages(app.deployments.api.follow.call(deployment.id, after, request.signal)));
  }
  const events = await app.deployments.events.after(deployment.id, after, query.limit);
  // Read before the events, so that `done` never hides one that came in between.
  const done = isTerminal(deployment.phase) && events.length < query.limit;
  return jsonResponse({ events: events.map(eventView), done });
});

/** Events carry their number as id, so that a reader that connects again misses none. */
async function* messages(followed: AsyncGenerator<Followed, void, undefined>): AsyncGenerator<SseMessage, void, undefined> {
  for await (const item of followed) {
    if (item.kind === "event") yield { event: item.event.type, data: eventView(item.event), id: item.event.seq };
    else if (item.kind === "ping") yield { event: "ping", data: {} };
    else yield { event: "end", data: { phase: item.deployment.phase, status: item.deployment.status } };
  }
}
