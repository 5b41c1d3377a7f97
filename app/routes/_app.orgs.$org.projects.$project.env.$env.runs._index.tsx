/** `/orgs/:org/projects/:project/env/:env/runs`: the runs list, live. */
import { redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { Terminal } from "lucide-react";
import { flashCookie } from "../api/cookies.server";
import { asPage, field, pageUrl, readForm, requireEnvironment } from "../api/page.server";
import { actOnRuns } from "../api/runActions.server";
import { FirstRun } from "../components/runs/FirstRun";
import { RunsFigures } from "../components/runs/RunsFigures";
import { RunsList } from "../components/runs/RunsList";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { parseRunsQuery } from "../presenters/runs/runFilters";
import { presentRunList } from "../presenters/runs/runList.server";

export const handle = { crumbs: () => [{ label: "Runs" }] };
export const meta: MetaFunction = pageTitle("Runs");

/** Filters and cursor come from the URL. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const query = parseRunsQuery(pageUrl(args.request).searchParams);
    const { app, env, base, timeZone } = page;
    const view = await presentRunList(app, { env, base, query, timeZone });
    return { view, base, live: `/resources/envs/${env.id}/events`, refresh: `/resources/envs/${env.id}/rows` };
  });
}

/** Replays or cancels the selected runs, at most a page of them. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const form = await readForm(args.request);
    const ids = form.getAll("run").filter((id): id is string => typeof id === "string");
    const flash = await actOnRuns(page, { intent: field(form, "intent"), ids, request: args.request });
    return redirect(`${page.base}/runs${pageUrl(args.request).search}`, { headers: { "set-cookie": flashCookie(flash) } });
  });
}

export default function RunsPage() {
  const { view, base, live, refresh } = useLoaderData<typeof loader>();
  useFollow(live);
  if (view.firstRun) return <FirstRun view={view.firstRun} />;
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Runs</h1>
        </div>
        <div className="row acts hide-sm">
          <Link className="btn" to={`${base}/test`}>
            <Terminal className="i s" aria-hidden="true" />
            Test a task
          </Link>
        </div>
      </section>
      <RunsFigures figures={view.figures} />
      <RunsList
        rows={view.rows}
        asOf={view.asOf}
        filters={view.filters}
        newerHref={view.newerHref}
        olderHref={view.olderHref}
        refreshUrl={refresh}
      />
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
