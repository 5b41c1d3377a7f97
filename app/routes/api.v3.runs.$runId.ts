/** `GET /api/v3/runs/:runId`: one run with payload, output, error and relatives. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { resourcesOfRun } from "../api/runResources";
import { vocabularyOf } from "../presenters/api/presentRun.server";
import { RetrieveRunPresenter } from "../presenters/api/retrieveRun.server";

export const loader = apiLoader(
  { auth: "environment", params: z.object({ runId: z.string() }), cors: true },
  async ({ app, request, caller, params }) => {
    const presenter = new RetrieveRunPresenter({ store: app.store, directory: app.environments.directory, packets: app.runs.packets });
    const run = await presenter.load(caller.env.id, params.runId);
    requireScope(caller, "read", resourcesOfRun(run.header));
    return jsonResponse(await presenter.call(run, caller.env, vocabularyOf(request)));
  }
);
