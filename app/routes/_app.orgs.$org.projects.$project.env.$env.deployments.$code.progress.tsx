/** `/orgs/:org/projects/:project/env/:env/deployments/:code/progress`: a deployment on its way. */
import { redirect, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useLoaderData, useNavigate } from "@remix-run/react";
import { useCallback, useEffect, useRef } from "react";
import { deploymentCrumbs } from "../api/deployments/deploymentPlace";
import { asPage, requireEnvironment } from "../api/page.server";
import { DeploymentPage } from "../components/deployments/DeploymentPage";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { presentDeployment } from "../presenters/deployments/page.server";

/** The last phase is seen to be done for this long before the page goes on. */
const SHOWN_MS = 800;
/** Without JavaScript the page reads itself again, in seconds. */
const RELOAD_SECONDS = 3;

export const handle = { crumbs: deploymentCrumbs };
export const meta: MetaFunction<typeof loader> = pageTitle("Deployment", ({ view }) => view.version);

/**
 * An address that is opened, or loaded again, when the deployment has ended leads to its record. A page that is open
 * gets the end as data and goes on by itself, once it was seen.
 */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base, timeZone } = await requireEnvironment(args);
    const view = await presentDeployment(app, { env, base, code: args.params.code ?? "", timeZone });
    const opensPage = args.request.headers.get("accept")?.includes("text/html") ?? false;
    if (view.terminal && opensPage) throw redirect(view.href);
    const live = view.terminal ? null : `/resources/envs/${env.id}/deployments/${view.shortCode}/events`;
    return { view, live };
  });
}

export default function ProgressRoute() {
  const { view, live } = useLoaderData<typeof loader>();
  useFollow(live);
  const onTouch = useGoOn(view.readyHref);
  return (
    <>
      {view.terminal ? null : (
        <noscript>
          <meta httpEquiv="refresh" content={String(RELOAD_SECONDS)} />
        </noscript>
      )}
      <DeploymentPage view={view} onTouch={onTouch} />
    </>
  );
}

/** Goes to `href` once it is there, unless the reader has opened or closed a row. Returns what to call for that. */
function useGoOn(href: string | null): () => void {
  const navigate = useNavigate();
  const touched = useRef(false);
  useEffect(() => {
    if (href === null || touched.current) return;
    const timer = setTimeout(() => {
      if (!touched.current) navigate(href, { replace: true });
    }, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [href, navigate]);
  return useCallback(() => {
    touched.current = true;
  }, []);
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
