/** Registers what `trigger dev` has built. The body is checked with the client's own schema, loaded on first use. */
import type { EnvironmentDirectory, EnvironmentView } from "../../environments/types";
import { workerWarnings } from "../../environments/workers/workerWarnings";
import { describeIssue } from "../describeIssue";
import { AppError } from "../../utils/appError";
import { friendlyId } from "../../utils/ids";
import type { WorkerRegistry } from "../deps";
import type { DequeueHub } from "../dequeue/dequeueHub.server";
import type { LimitsChangedService } from "../limits.server";
import type { PromotePendingVersionsService } from "../versions/pendingVersions.server";

type RegisterDeps = {
  workers: WorkerRegistry;
  directory: Pick<EnvironmentDirectory, "workerVersion">;
  hub: DequeueHub;
  pending: PromotePendingVersionsService;
  limits: LimitsChangedService;
};

export class RegisterWorkerService {
  constructor(private readonly deps: RegisterDeps) {}

  /** `{id, version, contentHash, warnings?}`. Throws AppError 404 for another project, 400 for a manifest that cannot be stored. */
  async call(env: EnvironmentView, projectRef: string, body: unknown): Promise<unknown> {
    if (env.project.ref !== projectRef) throw new AppError("project_not_found", 404, "Project not found");
    const { CreateBackgroundWorkerRequestBody } = await import("@trigger.dev/core/v3/schemas");
    const parsed = CreateBackgroundWorkerRequestBody.safeParse(body);
    if (!parsed.success) throw new AppError("invalid_body", 400, describeIssue(parsed.error.issues));
    const worker = await this.deps.workers.registerWorkerVersion({ envId: env.id, body: parsed.data });
    await this.deps.limits.call(env.id, false);
    // The CLI knows the new worker only after this answer: nobody may be given a run of it through an older poll.
    this.deps.hub.answerEmpty(env.region);
    await this.deps.pending.call(env.id, (await this.deps.directory.workerVersion(worker.id)) ?? undefined);
    const warnings = workerWarnings(worker.tasksWithUnsupportedLimits);
    return {
      id: friendlyId("worker", worker.id),
      version: worker.version,
      contentHash: worker.contentHash,
      ...(warnings.length > 0 ? { warnings } : {}),
    };
  }
}
