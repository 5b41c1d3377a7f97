/** `GET /api/v1/projects/:ref/:env/workers/current`: the version that new runs get, with its tasks. */
import { z } from "zod";
import { projectEnvParams } from "../api/projectBody";
import { jsonResponse } from "../api/dispatch/respond.server";
import { apiLoader } from "../api/dispatch/route.server";
import { AppError } from "../utils/appError";
import { friendlyId } from "../utils/ids";

const params = projectEnvParams.extend({ tag: z.literal("current", "must be current") });

export const loader = apiLoader({ auth: "user", params }, async ({ app, caller, params: place, request }) => {
  const env = await app.environments.tenancy.environment({
    ref: place.projectRef,
    slug: place.env,
    branch: request.headers.get("x-trigger-branch"),
    organizationIds: caller.organizationIds,
  });
  const worker = env.currentWorkerId === null ? null : await app.environments.workerVersion(env.currentWorkerId);
  if (!worker)
    throw new AppError("worker_not_found", 404, `No worker is registered in ${env.slug}. Start the CLI's dev command, or deploy.`);
  const id = friendlyId("worker", worker.id);
  return jsonResponse({
    worker: {
      id,
      version: worker.version,
      engine: "V2",
      sdkVersion: worker.sdkVersion,
      cliVersion: worker.cliVersion,
      tasks: [...worker.tasks.values()].map((task) => ({
        id: `${id}/${task.slug}`,
        slug: task.slug,
        filePath: task.filePath,
        triggerSource: task.triggerSource,
        createdAt: worker.createdAt,
        payloadSchema: task.payloadSchema ?? undefined,
        queueConfig: { name: task.queue },
      })),
    },
    urls: { runs: `${app.config.origin}/projects/v3/${env.project.ref}/runs?envSlug=${env.slug}` },
  });
});
