/** `GET`, `PUT`, `DELETE /api/v1/projects/:ref/envvars/:env/:name`: one variable; 404 when it is not set. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";
import { variableParams, variablesEnvironment } from "../api/variablesEnvironment.server";
import { AppError } from "../utils/appError";

export const loader = apiLoader({ auth: "none", params: variableParams }, async ({ app, params, request }) => {
  const env = await variablesEnvironment(app, request, params);
  const { name, value, isSecret } = await app.environments.variableStore.get(env.id, params.name);
  return jsonResponse({ name, value, isSecret });
});

const Body = z.object({ value: z.string() }).optional();

/** PUT needs `{value}`; DELETE no body. */
export const action = apiAction(
  { auth: "none", params: variableParams, body: Body, methods: ["PUT", "DELETE"] },
  async ({ app, params, body, request }) => {
    const env = await variablesEnvironment(app, request, params);
    if (request.method === "DELETE") {
      await app.environments.variableStore.delete(env.id, params.name);
      return jsonResponse({ success: true });
    }
    if (!body) throw new AppError("invalid_body", 400, `Invalid body: value: send {"value": "..."}.`);
    await app.environments.variableStore.update(env.id, params.name, body.value);
    return jsonResponse({ success: true });
  }
);
