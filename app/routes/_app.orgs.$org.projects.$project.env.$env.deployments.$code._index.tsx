/** `/orgs/:org/projects/:project/env/:env/deployments/:code`: the record of a deployment, and its actions. */
import { redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { actOnDeployment } from "../api/deployments/deploymentActions.server";
import { deploymentCrumbs } from "../api/deployments/deploymentPlace";
import { asPage, field, readForm, requireEnvironment } from "../api/page.server";
import { DeploymentPage } from "../components/deployments/DeploymentPage";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { presentDeployment } from "../presenters/deployments/page.server";

export const handle = { crumbs: deploymentCrumbs };
export const meta: MetaFunction<typeof loader> = pageTitle("Deployment", ({ view }) => view.version);

/** One that is on its way is shown by its progress page. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base, timeZone } = await requireEnvironment(args);
    const view = await presentDeployment(app, { env, base, code: args.params.code ?? "", timeZone });
    if (!view.terminal) throw redirect(`${view.href}/progress`);
    const changes = view.status === "ready" || view.status === "stopped";
    return { view, live: changes ? `/resources/envs/${env.id}/deployments/${view.shortCode}/events` : null };
  });
}

/** `cancel`, `stop`, `wake`, `redeploy`. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const form = await readForm(args.request);
    const done = await actOnDeployment(page, { intent: field(form, "intent"), code: args.params.code ?? "", request: args.request });
    return redirect(done.href, { headers: { "set-cookie": flashCookie(done.flash) } });
  });
}

export default function DeploymentRoute() {
  const { view, live } = useLoaderData<typeof loader>();
  useFollow(live);
  return <DeploymentPage view={view} />;
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
