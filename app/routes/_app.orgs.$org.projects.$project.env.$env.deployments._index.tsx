/** `/orgs/:org/projects/:project/env/:env/deployments`: versions of the environment, live. */
import type { LoaderFunctionArgs, MetaFunction } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { SlidersHorizontal } from "lucide-react";
import { asPage, pageUrl, requireEnvironment } from "../api/page.server";
import { DeploymentsList } from "../components/deployments/DeploymentsList";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { parseDeploymentsQuery } from "../presenters/deployments/list/filters";
import { presentDeploymentList } from "../presenters/deployments/list/list.server";

export const handle = { crumbs: () => [{ label: "Deployments" }] };
export const meta: MetaFunction = pageTitle("Deployments");

/** Filters, cursor and the version to jump to come from the URL. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, project, base, timeZone } = await requireEnvironment(args);
    const query = parseDeploymentsQuery(pageUrl(args.request).searchParams);
    const view = await presentDeploymentList(app, { env, base, query, timeZone });
    return {
      view,
      place: `${project.name}, ${env.slug}`,
      base,
      deployable: env.slug !== "dev",
      live: `/resources/envs/${env.id}/deployments/events`,
    };
  });
}

export default function DeploymentsPage() {
  const { view, place, base, deployable, live } = useLoaderData<typeof loader>();
  useFollow(live);
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Deployments</h1>
        </div>
        {deployable ? (
          <div className="row acts">
            <Link className="btn" to={`${base}/deploy-settings`}>
              <SlidersHorizontal className="i s" aria-hidden="true" />
              Deploy settings
            </Link>
          </div>
        ) : null}
      </section>
      <DeploymentsList view={view} place={place} />
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
