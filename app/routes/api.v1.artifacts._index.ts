/** `POST /api/v1/artifacts`: a signed form for the upload of sources or of a bundle. */
import { z } from "zod";
import { ARTIFACTS, DEPLOYMENTS, parseWithIssues } from "../api/deployments/deploymentCall.server";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiAction } from "../api/dispatch/route.server";
import { requireScope } from "../api/scope";
import { usedOrigin } from "../api/dispatch/usedOrigin";

const Body = z.object({
  type: z.enum(["deployment_context", "deployment_bundle"]).default("deployment_context"),
  contentType: z.literal("application/gzip").default("application/gzip"),
  /** Bytes. */
  contentLength: z.number().int().min(0).optional(),
});

/** 201 `{artifactKey, uploadUrl, uploadFields, expiresAt}`. */
export const action = apiAction({ auth: "environment", builds: true, body: z.unknown() }, async ({ app, request, caller, body }) => {
  requireScope(caller, "write", [DEPLOYMENTS, ARTIFACTS]);
  const { type, contentLength } = parseWithIssues(Body, body, "Invalid request body");
  const origin = usedOrigin(request, app.config.origin);
  const artifact = await app.deployments.artifacts.create.call({ env: caller.env, type, contentLength, origin });
  return jsonResponse(artifact, { status: 201 });
});
