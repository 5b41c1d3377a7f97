/** `POST /api/v1/projects/:ref/envvars/:env/import`: many variables at once, all or none. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { variablesEnvironment, variablesParams } from "../api/variablesEnvironment.server";

const Variables = z.record(z.string(), z.string());
const Body = z.object({
  variables: Variables,
  /** For a branch: variables of its parent environment. */
  parentVariables: Variables.optional(),
  override: z.boolean().default(false),
  isSecret: z.boolean().default(false),
});

export const action = apiAction({ auth: "none", params: variablesParams, body: Body }, async ({ app, params, body, request }) => {
  const env = await variablesEnvironment(app, request, params);
  const { override, isSecret } = body;
  const { variableStore } = app.environments;
  const of = (variables: Record<string, string>) => new Map(Object.entries(variables));
  if (body.parentVariables) {
    await variableStore.import({ envId: env.parentId ?? env.id, variables: of(body.parentVariables), override, isSecret });
  }
  await variableStore.import({ envId: env.id, variables: of(body.variables), override, isSecret });
  return jsonResponse({ success: true });
});
