/** `/orgs/:org/projects/:project/env/:env/regions`: agents, heartbeats, capabilities, slots; tokens by which agents join. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { asPage, field, readForm, requireEnvironment } from "../api/page.server";
import { changeRegions } from "../api/deployments/regionActions.server";
import { NewAgentTokenBanner, NewRegion, RegionsPanels } from "../components/deployments/RegionsPage";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { presentRegions } from "../presenters/deployments/regions.server";

export const handle = { crumbs: () => [{ label: "Regions" }] };
export const meta: MetaFunction = pageTitle("Regions");

/** Regions belong to the installation; how many replicas this environment wants in each is beside them. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env } = await requireEnvironment(args);
    return { view: await presentRegions(app, env), live: "/resources/regions/events" };
  });
}

/** `create-token` answers with the token itself, once; `revoke-token` and `create-region` go back to the page. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const form = await readForm(args.request);
    const outcome = await changeRegions(page, form, args.request);
    if (outcome.kind === "done") return redirect(`${page.base}/regions`, { headers: { "set-cookie": flashCookie(outcome.flash) } });
    if (outcome.kind === "token") return data({ made: outcome.made, error: null, typed: "" }, { headers: { "cache-control": "no-store" } });
    return data({ made: null, error: outcome.error, typed: field(form, "name") }, { status: 400 });
  });
}

export default function RegionsRoute() {
  const { view, live } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  useFollow(live);
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Regions</h1>
          <p className="soft">Machines that build and run versions. All projects of this installation share them.</p>
        </div>
      </section>
      <div className="read wide">
        {answer?.made ? <NewAgentTokenBanner made={answer.made} origin={view.origin} /> : null}
        <RegionsPanels view={view} />
        <NewRegion error={answer?.error ?? null} typed={answer?.typed ?? ""} />
      </div>
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
