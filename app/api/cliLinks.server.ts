/** Links that the CLI prints name a project by its ref; they lead to the dashboard's own addresses. */
import { redirect } from "@remix-run/node";
import { AppError } from "../utils/appError";
import { deploymentByShortCode } from "../deployments/rows/deploymentRows.server";
import { isTerminal } from "../deployments/phases";
import { parseEnvironmentSlug } from "../environments/tenancy/tenancy.server";
import { friendlyId, parseFriendlyId } from "../utils/ids";
import { getApp } from "../wiring.server";
import { flashCookie } from "./cookies.server";
import { environmentPath, requireUser, type PageArgs } from "./page.server";

type Place = { projectId: string; base: string; envId: string; others: { base: string; envId: string }[] };

/**
 * Redirects to a page of the project's environment (`environment` or `envSlug` in the query, dev without). A project that
 * the person may not see is said on the home page, because a JSON error helps nobody who follows a link.
 */
export async function followCliLink(args: PageArgs, pageOf: (place: Place) => string | Promise<string>): Promise<Response> {
  const app = getApp();
  const user = await requireUser(args.request);
  try {
    const { tenancy } = app.environments;
    const project = await tenancy.project(args.params.ref ?? "", user.organizationIds);
    const query = new URL(args.request.url).searchParams;
    const wanted = parseEnvironmentSlug(query.get("environment") ?? query.get("envSlug") ?? query.get("env") ?? "dev") ?? "dev";
    const environments = await tenancy.environments(project.id, user.organizationIds);
    const places = environments.map((env) => ({
      base: environmentPath(project.organization.slug, project.slug, env.slug),
      envId: env.id,
      slug: env.slug,
    }));
    const place = places.find((candidate) => candidate.slug === wanted) ?? places[0];
    if (!place) throw new AppError("environment_not_found", 404, "This project has no environments.");
    return redirect(await pageOf({ ...place, projectId: project.id, others: places }));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const flash = {
      kind: "bad",
      title: "This link leads nowhere.",
      text: `${error.message}. You may be signed in as someone else.`,
    } as const;
    return redirect("/", { headers: { "set-cookie": flashCookie(flash) } });
  }
}

/** The run's page in whichever environment of the project holds it: the CLI's link does not say. */
export async function runPath(place: Place, run: string): Promise<string> {
  const id = parseFriendlyId("run", run);
  if (id === null) return `${place.base}/runs`;
  for (const { base, envId } of [place, ...place.others]) {
    if ((await getApp().store.getRuns(envId, [id])).has(id)) return `${base}/runs/${friendlyId("run", id)}`;
  }
  return `${place.base}/runs/${friendlyId("run", id)}`;
}

/** The deployment's page in whichever environment of the project holds it; one that is on its way opens its progress. */
export async function deploymentPath(place: Place, code: string): Promise<string> {
  const found = await deploymentByShortCode(getApp().deployments.pool, place.projectId, code);
  const home = [place, ...place.others].find((candidate) => candidate.envId === found?.environmentId);
  if (!found || !home) throw new AppError("deployment_not_found", 404, `There is no deployment ${code.slice(0, 40)} in this project`);
  return `${home.base}/deployments/${found.shortCode}${isTerminal(found.phase) ? "" : "/progress"}`;
}
