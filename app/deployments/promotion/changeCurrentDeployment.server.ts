/** Makes another deployment the current one: promote and rollback by people, promotion by the end of a deployment. */
import type { EnvironmentView } from "../../environments/types";
import type { Clock } from "../../platform/clock";
import { inTransaction, type Pool, type PoolClient } from "../../platform/db.server";
import { AppError, PlainError } from "../../utils/appError";
import { deploymentById, lockDeployment } from "../rows/deploymentRows.server";
import type { WakeAndWait } from "../lifecycle/wakeAndWait.server";
import type { Actor, AuditLog, DeploymentRecord } from "../ports";
import { readDeploySettings } from "../settings.server";
import { decideAutoPromotion, decidePromotion, REFUSALS, type Direction } from "./decidePromotion";
import { lockEnvironmentRow, type LockedEnvironment } from "./environmentRow.server";
import { deploymentByReference, notFound } from "./findDeployment.server";
import { confirmRollback, movePointer, readPointer, type MoveKind, type PromotionPointer } from "./swap.server";

export type ChangeCurrent = {
  env: Pick<EnvironmentView, "id">;
  /** `20261121.4`, or `deployment_<id>`. */
  deployment: string;
  direction: Direction;
  /** Lets a promote go to an older version; a rollback ignores it. */
  allowRollbacks: boolean;
  actor: Actor;
};

export type ChangedCurrent = {
  /** Without prefix. */
  id: string;
  version: string;
  shortCode: string;
  /** What was current before, or null. */
  previousVersion: string | null;
  kind: MoveKind;
  generation: number;
};

export type AutoPromotion = { direction: "auto"; deploymentId: string };
/** `message`: for the deployment's log; null when nobody wanted the promotion. */
export type AutoPromotionOutcome =
  | { promoted: true; generation: number; previousVersion: string | null }
  | { promoted: false; message: string | null };

export type ChangeCurrentDeps = { pool: Pool; clock: Clock; audit: AuditLog; wake: WakeAndWait };

/** Longest wait for the replicas of a stopped target. */
const WAKE_PATIENCE_MS = 60_000;

const SYSTEM: Actor = { type: "system", id: "deploy", name: null, ip: null, userAgent: null, correlationId: null };
const FAILURE_TEXT: Record<Direction, string> = { promote: "Failed to promote deployment", rollback: "Failed to roll back deployment" };

/** Nothing was changed and the caller could not help it; `message` is what it is told. */
export class ChangeFailedError extends Error {
  override readonly name = "ChangeFailedError";
}

type Attempt = { kind: "changed"; result: ChangedCurrent } | { kind: "stopped"; target: DeploymentRecord };
type Locked = { environment: LockedEnvironment; target: DeploymentRecord; pointer: PromotionPointer | null };

export class ChangeCurrentDeploymentService {
  constructor(private readonly deps: ChangeCurrentDeps) {}

  /**
   * Decides under the environment's lock, so two calls at once are one after the other. Starts a stopped target first,
   * which may take a minute. Throws AppError 404 for an unknown deployment and 400 with the text of the decision;
   * ChangeFailedError for anything unexpected. Nothing is changed when it throws.
   */
  async call(input: ChangeCurrent): Promise<ChangedCurrent> {
    try {
      return await this.change(input);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new ChangeFailedError(FAILURE_TEXT[input.direction], { cause: error });
    }
  }

  /** Promotion at the end of a deployment, in the transaction that ends it. Takes the environment's lock; never refuses by throwing. */
  async inTransaction(tx: PoolClient, { deploymentId }: AutoPromotion): Promise<AutoPromotionOutcome> {
    const found = await deploymentById(tx, deploymentId);
    if (!found) throw notFound();
    const { environment, target, pointer } = await lock(tx, found.environmentId, deploymentId);
    if (target.workerVersionId === null) return { promoted: false, message: REFUSALS.noWorker.promote };
    const settings = await readDeploySettings(tx, environment);
    const decision = decideAutoPromotion({
      autoPromote: settings.autoPromote,
      skipPromotion: target.skipPromotion,
      isRolledBack: pointer?.isRolledBack ?? false,
      version: target.version,
      currentVersion: pointer?.currentVersion ?? null,
    });
    if (!decision.promote) return { promoted: false, message: decision.message };
    const move = { environment, pointer, target, kind: "auto_promote", rolledBack: false, actor: SYSTEM } as const;
    const generation = await movePointer(tx, this.deps.audit, { ...move, nowMs: this.deps.clock.now() });
    return { promoted: true, generation, previousVersion: pointer?.currentVersion ?? null };
  }

  private async change(input: ChangeCurrent): Promise<ChangedCurrent> {
    const { pool, clock, wake } = this.deps;
    const target = await deploymentByReference(pool, input.env.id, input.deployment);
    if (!target) throw notFound();
    const untilMs = clock.now() + WAKE_PATIENCE_MS;
    for (;;) {
      const attempt = await inTransaction(pool, (tx) => this.attempt(tx, input, target.id));
      if (attempt.kind === "changed") return attempt.result;
      const awake = await wake({ deployment: attempt.target, actor: input.actor, untilMs });
      if (!awake) throw refusal(REFUSALS.unhealthyWake);
    }
  }

  private async attempt(tx: PoolClient, input: ChangeCurrent, targetId: string): Promise<Attempt> {
    const locked = await lock(tx, input.env.id, targetId);
    const { environment, target, pointer } = locked;
    if (environment.archivedAt !== null) throw new AppError("environment_not_found", 404, "Environment not found");
    const decision = decide(input, locked);
    if (decision.kind === "refuse") throw refusal(decision.text);
    if (decision.kind === "swap" && decision.wake) return { kind: "stopped", target };
    const confirms = decision.kind === "confirm";
    const kind: MoveKind = confirms ? "confirm_rollback" : input.direction;
    const rolledBack = decision.kind === "swap" && decision.rolledBack;
    const move = { environment, pointer, target, kind, rolledBack, actor: input.actor, nowMs: this.deps.clock.now() };
    const generation = confirms ? await confirmRollback(tx, this.deps.audit, move) : await movePointer(tx, this.deps.audit, move);
    const { id, version, shortCode } = target;
    return { kind: "changed", result: { id, version, shortCode, previousVersion: pointer?.currentVersion ?? null, kind, generation } };
  }
}

/** Environment first, then the deployment: the order of everyone who needs both. */
async function lock(tx: PoolClient, envId: string, deploymentId: string): Promise<Locked> {
  const environment = await lockEnvironmentRow(tx, envId);
  const target = await lockDeployment(tx, deploymentId);
  if (!environment || !target || target.environmentId !== environment.id) throw notFound();
  return { environment, target, pointer: await readPointer(tx, envId) };
}

function decide({ direction, allowRollbacks }: ChangeCurrent, { target, pointer }: Locked) {
  return decidePromotion({
    direction,
    allowRollbacks,
    target: {
      id: target.id,
      version: target.version,
      status: target.status,
      hasWorker: target.workerVersionId !== null,
      stopped: target.phase === "stopped" || target.desiredState === "stopped",
      hasRelease: target.releaseDigest !== null,
    },
    current: pointer && { id: pointer.currentId, version: pointer.currentVersion },
    isRolledBack: pointer?.isRolledBack ?? false,
  });
}

function refusal(text: string): PlainError {
  return new PlainError("promotion_refused", 400, text);
}
