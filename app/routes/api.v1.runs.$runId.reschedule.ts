/** `POST /api/v1/runs/:runId/reschedule`: moves the start of a delayed run and answers the run. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { vocabularyOf } from "../presenters/api/presentRun.server";
import { RetrieveRunPresenter } from "../presenters/api/retrieveRun.server";

const Body = z.object({ delay: z.union([z.string().max(100), z.number()]) });

export const action = apiAction(
  { auth: "secret-key", params: z.object({ runId: z.string() }), body: Body },
  async ({ app, request, caller, params, body }) => {
    await app.runs.rescheduleRun.call({ envId: caller.env.id, run: params.runId, delay: body.delay });
    const presenter = new RetrieveRunPresenter({ store: app.store, directory: app.environments.directory, packets: app.runs.packets });
    const run = await presenter.load(caller.env.id, params.runId);
    return jsonResponse(await presenter.call(run, caller.env, vocabularyOf(request)));
  }
);
