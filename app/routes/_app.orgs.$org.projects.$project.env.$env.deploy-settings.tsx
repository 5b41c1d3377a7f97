/** `/orgs/:org/projects/:project/env/:env/deploy-settings`: how an environment deploys, and where. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { changeDeploySettings, typedReplicas } from "../api/deployments/deploySettingsForm.server";
import { changeCrumbs } from "../api/deployments/deploymentPlace";
import { asPage, field, readForm, requireEnvironment } from "../api/page.server";
import { DeploySettingsForm, RegionSettingsForm } from "../components/deployments/SettingsForms";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { presentDeploySettings } from "../presenters/deployments/settings.server";

export const handle = { crumbs: changeCrumbs("Deploy settings") };
export const meta: MetaFunction = pageTitle("Deploy settings");

/** Settings of the environment, or those that it has from its parent. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base } = await requireEnvironment(args);
    return { view: await presentDeploySettings(app, env), regionsHref: `${base}/regions` };
  });
}

/** `settings` or `regions`. What is refused stays in the form, with everything that is wrong with it. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const form = await readForm(args.request);
    const outcome = await changeDeploySettings(page, form, args.request);
    if (outcome.kind === "saved")
      return redirect(`${page.base}/deploy-settings`, { headers: { "set-cookie": flashCookie(outcome.flash) } });
    const about: "settings" | "regions" = field(form, "intent") === "settings" ? "settings" : "regions";
    return data({ form: about, texts: outcome.violations, typed: typedReplicas(form) }, { status: 400 });
  });
}

export default function DeploySettingsPage() {
  const { view, regionsHref } = useLoaderData<typeof loader>();
  const refused = useActionData<typeof action>();
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Deploy settings</h1>
          <p className="soft">
            {view.deployable
              ? `Used by the next deployment of ${view.envSlug}. Versions that run now stay as they are.`
              : "dev runs the code on your machine, so there is nothing to set up. Choose another environment at the top left."}
          </p>
        </div>
      </section>
      <div className="read">
        {view.deployable ? (
          <>
            <DeploySettingsForm view={view} violations={refused ?? null} />
            <RegionSettingsForm view={view} violations={refused ?? null} typed={refused?.typed ?? {}} regionsHref={regionsHref} />
          </>
        ) : null}
      </div>
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
