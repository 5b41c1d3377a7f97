/** The forms of the deploy settings: what was typed becomes a change, or a list of everything that is wrong with it. */
import { deploySettingsChange } from "../../deployments/settings.server";
import type { WantedRegion } from "../../deployments/regionSettings.server";
import { AppError } from "../../utils/appError";
import type { Flash } from "../cookies.server";
import { userActor } from "./deploymentActions.server";
import { field, type EnvironmentPage } from "../page.server";
import { unknownIntent } from "../runActions.server";

const SWITCHES = ["autoPromote", "holdResponse", "supersedeQueued", "processKeepAlive"] as const;
const REGION_FIELD = "replicas:";
const WHOLE = /^-?\d{1,9}$/;

export type SettingsOutcome = { kind: "saved"; flash: Flash } | { kind: "refused"; violations: string[] };
type Place = Pick<EnvironmentPage, "app" | "env" | "user">;

/** `settings` or `regions`. Throws AppError 400 for another intent, 409 for an environment without deployments. */
export async function changeDeploySettings(place: Place, form: FormData, request: Request): Promise<SettingsOutcome> {
  if (place.env.type === "DEVELOPMENT")
    throw new AppError("no_deployments", 409, "dev runs on your machine: it has no deployments to set up.");
  const intent = field(form, "intent");
  if (intent === "settings") return changeSettings(place, form, request);
  if (intent === "regions") return changeRegions(place, form, request);
  throw unknownIntent(intent);
}

async function changeSettings({ app, env, user }: Place, form: FormData, request: Request): Promise<SettingsOutcome> {
  const builds = field(form, "concurrentBuilds");
  const parsed = deploySettingsChange.safeParse({
    buildPath: field(form, "buildPath"),
    readiness: field(form, "readiness"),
    concurrentBuilds: WHOLE.test(builds) ? Number(builds) : builds,
    ...Object.fromEntries(SWITCHES.map((name) => [name, form.has(name)])),
  });
  if (!parsed.success)
    return { kind: "refused", violations: parsed.error.issues.map((issue) => violationText(String(issue.path[0]), form)) };
  await app.deployments.settings.update(env, parsed.data, userActor(request, user));
  return {
    kind: "saved",
    flash: { kind: "ok", title: `The deploy settings of ${env.slug} are saved.`, text: "The next deployment uses them." },
  };
}

const RULES: Record<string, string> = {
  buildPath: "Where it is built is one of native_local_bundle, native",
  readiness: "Readiness is one of min2, all-but-one, all",
  concurrentBuilds: "Builds at once is a whole number between 1 and 50",
};

function violationText(name: string, form: FormData): string {
  return `${RULES[name] ?? name} (got ${JSON.stringify(field(form, name).slice(0, 40))}).`;
}

async function changeRegions({ app, env, user }: Place, form: FormData, request: Request): Promise<SettingsOutcome> {
  const outcome = await app.deployments.regionSettings.update(env, wantedRegions(form), userActor(request, user));
  if (outcome.kind === "refused") return outcome;
  const text = "The next deployment runs there. Versions that run now stay where they are.";
  return { kind: "saved", flash: { kind: "ok", title: `The regions of ${env.slug} are saved.`, text } };
}

/** Ticked regions with what was typed: text that is no whole number stays text, so that it is named as it was. */
function wantedRegions(form: FormData): WantedRegion[] {
  return form.getAll("region").flatMap((region) => {
    if (typeof region !== "string") return [];
    const typed = field(form, `${REGION_FIELD}${region}`).trim();
    const number = Number(typed);
    return [{ region, replicas: typed !== "" && Number.isFinite(number) ? number : typed }];
  });
}

/** What was typed beside each ticked region, for the form that comes back. */
export function typedReplicas(form: FormData): Record<string, string> {
  const regions = form.getAll("region").filter((region): region is string => typeof region === "string");
  return Object.fromEntries(regions.map((region) => [region, field(form, `${REGION_FIELD}${region}`).slice(0, 40)]));
}
