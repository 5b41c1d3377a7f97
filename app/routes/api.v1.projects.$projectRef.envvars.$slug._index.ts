/** `GET /api/v1/projects/:ref/envvars/:env`: the variables, secret ones redacted. `POST`: one more. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { variablesEnvironment, variablesParams } from "../api/variablesEnvironment.server";

export const loader = apiLoader({ auth: "none", params: variablesParams }, async ({ app, params, request }) => {
  const env = await variablesEnvironment(app, request, params);
  const variables = await app.environments.variableStore.list(env.id);
  return jsonResponse(variables.map(({ name, value, isSecret }) => ({ name, value, isSecret })));
});

const Body = z.object({ name: z.string(), value: z.string(), isSecret: z.boolean().default(false) });

/** A variable that exists gets the new value. */
export const action = apiAction({ auth: "none", params: variablesParams, body: Body }, async ({ app, params, body, request }) => {
  const env = await variablesEnvironment(app, request, params);
  const variables = new Map([[body.name, body.value]]);
  await app.environments.variableStore.import({ envId: env.id, variables, override: true, isSecret: body.isSecret });
  return jsonResponse({ success: true });
});
