/** `GET /api/v1/runs`: runs of the caller's environment, newest first. */
import type { EnvironmentCaller, Resource } from "../auth/types";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { MissingScopeError } from "../api/scope";
import { ListRunsQuery } from "../presenters/api/listQuery";
import { ListRunsPresenter } from "../presenters/api/listRuns.server";
import { vocabularyOf } from "../presenters/api/presentRun.server";
import { friendlyId } from "../utils/ids";

export const loader = apiLoader({ auth: "environment", query: ListRunsQuery, cors: true }, async ({ app, request, caller, query }) => {
  if (!mayList(caller, query)) throw new MissingScopeError();
  const presenter = new ListRunsPresenter({ store: app.store, directory: app.environments.directory, clock: app.clock });
  return jsonResponse(await presenter.call([caller.env], query, vocabularyOf(request)));
});

/** A token that does not cover all runs may list what its filters narrow down to what it covers. */
function mayList(caller: EnvironmentCaller, query: ListRunsQuery): boolean {
  const covering: Resource[] = [{ type: "runs" }];
  for (const tag of query["filter[tag]"] ?? []) covering.push({ type: "tags", id: tag });
  if (query["filter[batch]"]) covering.push({ type: "batch", id: friendlyId("batch", query["filter[batch]"]) });
  if (caller.can("read", covering)) return true;
  const tasks = query["filter[taskIdentifier]"] ?? [];
  return tasks.length > 0 && tasks.every((task) => caller.can("read", [{ type: "tasks", id: task }]));
}
