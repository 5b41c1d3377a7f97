/** What the keys page does with an environment; answers with the banner for the next page. */
import { AppError } from "../utils/appError";
import type { Flash } from "./cookies.server";
import { field, type EnvironmentPage } from "./page.server";
import { unknownIntent } from "./runActions.server";

type Target = { id: string; slug: string };
type Change = (place: EnvironmentPage, target: Target, form: FormData) => Promise<Flash>;

const HOUR_MS = 3_600_000;

const CHANGES: Record<string, Change> = {
  rotate: async ({ app }, target, form) => {
    const graceMs = wholeNumber(field(form, "graceHours"), "The grace period") * HOUR_MS;
    const { oldKeyUntil } = await app.environments.rotateKey.call({ envId: target.id, graceMs });
    const text = oldKeyUntil
      ? "The old key works until its grace ends. Give the new one to everything that triggers runs."
      : "The old key stopped working. Give the new one to everything that triggers runs.";
    return { kind: "ok", title: `The key of ${target.slug} is rotated.`, text };
  },
  "revoke-old": async ({ app }, target) => {
    const { revoked } = await app.environments.rotateKey.revokeOldKeys(target.id);
    return { kind: "ok", title: revoked === 0 ? `${target.slug} has no old keys.` : `Old keys of ${target.slug} are revoked.` };
  },
  "set-limit": async ({ app }, target, form) => {
    const limit = wholeNumber(field(form, "limit"), "The limit");
    await app.environments.updateEnvironment(target.id, { maxConcurrency: limit });
    await app.engine.limitsChanged(target.id);
    return { kind: "ok", title: `${target.slug} executes up to ${limit} runs at once.` };
  },
  pause: async ({ app }, target) => {
    await app.environments.updateEnvironment(target.id, { paused: true });
    await app.engine.limitsChanged(target.id);
    return { kind: "ok", title: `${target.slug} is paused.`, text: "Runs are accepted and wait." };
  },
  resume: async ({ app }, target) => {
    await app.environments.updateEnvironment(target.id, { paused: false });
    await app.engine.limitsChanged(target.id);
    return { kind: "ok", title: `${target.slug} is resumed.` };
  },
};

/** Applies a form of the keys page. Throws AppError 400 for what it does not know, 404 for an environment of another project. */
export async function changeEnvironment(place: EnvironmentPage, form: FormData): Promise<Flash> {
  const intent = field(form, "intent");
  const change = Object.hasOwn(CHANGES, intent) ? CHANGES[intent] : undefined;
  if (!change) throw unknownIntent(intent);
  const environments = await place.app.environments.tenancy.environments(place.project.id, place.user.organizationIds);
  const target = environments.find((candidate) => candidate.id === field(form, "env"));
  if (!target) throw new AppError("environment_not_found", 404, "This project has no such environment. Open the page again.");
  return change(place, target, form);
}

function wholeNumber(text: string, what: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new AppError("invalid_number", 400, `${what} is a whole number, got "${text.slice(0, 40)}".`);
  return Number(text);
}
