/** `/orgs/:org/projects/:project/env/:env/deployments/:code/promote`: makes a version current, or keeps the one that was rolled back to, after a look at what that changes. */
import { redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { changeCurrent } from "../api/deployments/deploymentActions.server";
import { changeCrumbs } from "../api/deployments/deploymentPlace";
import { asPage, readForm, requireEnvironment } from "../api/page.server";
import { ConfirmChange } from "../components/deployments/ConfirmChange";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { presentChange } from "../presenters/deployments/change.server";

export const handle = { crumbs: changeCrumbs("Promote") };
export const meta: MetaFunction = pageTitle("Promote");

/** What it would change; a version that cannot be chosen says why. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base, user, timeZone } = await requireEnvironment(args);
    const view = await presentChange(app, { env, base, code: args.params.code ?? "", direction: "promote", who: user.email, timeZone });
    return { view };
  });
}

/** Decided again under the environment's lock: a refusal is a banner on the list. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    await readForm(args.request);
    const done = await changeCurrent(page, { code: args.params.code ?? "", direction: "promote", request: args.request });
    return redirect(done.href, { headers: { "set-cookie": flashCookie(done.flash) } });
  });
}

export default function PromoteRoute() {
  const { view } = useLoaderData<typeof loader>();
  return <ConfirmChange view={view} />;
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
