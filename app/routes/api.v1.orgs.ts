/** `GET /api/v1/orgs`: organizations of the caller. `POST`: a new one, whose admin they become. */
import { z } from "zod";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction, apiLoader } from "../api/dispatch/route.server";

export const loader = apiLoader({ auth: "user" }, async ({ app, caller }) => {
  return jsonResponse(await app.environments.tenancy.organizations(caller.organizationIds));
});

const Body = z.object({ title: z.string().trim().min(3).max(50) });

export const action = apiAction({ auth: "user", body: Body }, async ({ app, caller, body }) => {
  const created = await app.environments.createOrganization.call({ title: body.title, ownerUserId: caller.userId });
  return jsonResponse(created);
});
