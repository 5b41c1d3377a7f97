/** What pages do with deployments; answers with where to go next and the banner for it. */
import type { Actor } from "../../deployments/ports";
import { ChangeFailedError } from "../../deployments/promotion/changeCurrentDeployment.server";
import type { Direction } from "../../deployments/promotion/decidePromotion";
import { errorMessage } from "../../platform/logger";
import { deploymentOfCode } from "../../deployments/rows/findByShortCode.server";
import { AppError } from "../../utils/appError";
import type { Flash } from "../cookies.server";
import { traceOf } from "./deploymentCall.server";
import type { EnvironmentPage } from "../page.server";
import { unknownIntent } from "../runActions.server";

type Place = Pick<EnvironmentPage, "app" | "env" | "base" | "user">;
export type DeploymentDone = { href: string; flash: Flash };

/** The person signed in, as audit and history keep it. */
export function userActor(request: Request, user: EnvironmentPage["user"]): Actor {
  return { type: "user", id: user.userId, name: user.email, ...traceOf(request) };
}

type Command = Place & { id: string; version: string; code: string; actor: Actor };
type Act = (command: Command) => Promise<DeploymentDone>;

const ACTS: Record<string, Act> = {
  cancel: async ({ app, env, id, version, code, base, actor }) => {
    await app.deployments.api.cancel.call({ env, deploymentId: id, reason: `Canceled by ${actor.name ?? "user"}`, actor });
    return done(`${base}/deployments/${code}`, `${version} is canceled.`, "What it had started is being removed.");
  },
  stop: async ({ app, env, version, code, base, actor }) => {
    await app.deployments.lifecycle.stop.call({ env, deployment: version, actor });
    return done(`${base}/deployments/${code}`, `${version} is being stopped.`, "Its idle replicas end first.");
  },
  wake: async ({ app, env, version, code, base, actor }) => {
    await app.deployments.lifecycle.wake.call({ env, deployment: version, actor });
    return done(`${base}/deployments/${code}`, `${version} is being started.`, "It is ready once enough regions are healthy.");
  },
  redeploy: async ({ app, env, version, base, actor }) => {
    const made = await app.deployments.lifecycle.redeploy.call({ env, deployment: version, actor });
    return done(
      `${base}/deployments/${made.shortCode}/progress`,
      `${made.version} repeats ${version}.`,
      "It has the same bundle and build variables."
    );
  },
};

/**
 * `cancel`, `stop`, `wake` or `redeploy` of the deployment that `code` names. A refusal is a banner on the deployment's
 * page. Throws AppError 400 for another intent, 404 for a deployment of another environment.
 */
export async function actOnDeployment(place: Place, input: { intent: string; code: string; request: Request }): Promise<DeploymentDone> {
  const act = Object.hasOwn(ACTS, input.intent) ? ACTS[input.intent] : undefined;
  if (!act) throw unknownIntent(input.intent);
  const { id, version, shortCode: code } = await deploymentOfCode(place.app.deployments.pool, place.env, input.code);
  const command = { ...place, id, version, code, actor: userActor(input.request, place.user) };
  return act(command).catch((error: unknown) => refused(error, `${place.base}/deployments/${code}`));
}

export type CurrentChange = { code: string; direction: Direction; request: Request };

/** Promote or roll back, as the confirm page asks for it. A refusal is a banner with the text of the decision. */
export async function changeCurrent(place: Place, { code, direction, request }: CurrentChange): Promise<DeploymentDone> {
  const { app, env, base, user } = place;
  const target = await deploymentOfCode(app.deployments.pool, env, code);
  const href = `${base}/deployments`;
  try {
    const actor = userActor(request, user);
    const changed = await app.deployments.changeCurrent.call({ env, deployment: target.version, direction, allowRollbacks: false, actor });
    return { href, flash: changedFlash(changed, env.slug) };
  } catch (error) {
    if (error instanceof ChangeFailedError) {
      app.log.error("deployment.change_failed", { envId: env.id, direction, message: error.message, cause: errorMessage(error.cause) });
      return {
        href,
        flash: { kind: "bad", title: error.message, text: "Nothing was changed. Try again; the server's log has the reason." },
      };
    }
    return refused(error, href);
  }
}

function changedFlash(changed: { kind: string; version: string; previousVersion: string | null }, slug: string): Flash {
  if (changed.kind === "confirm_rollback")
    return { kind: "ok", title: `${changed.version} stays current.`, text: "Automatic promotion is on again." };
  const text = changed.previousVersion ? `New runs start on it instead of ${changed.previousVersion}.` : "New runs start on it.";
  return { kind: "ok", title: `${changed.version} is current in ${slug}.`, text };
}

function done(href: string, title: string, text: string): DeploymentDone {
  return { href, flash: { kind: "ok", title, text } };
}

function refused(error: unknown, href: string): DeploymentDone {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  return { href, flash: { kind: "bad", title: "Nothing was changed.", text: error.message } };
}
