/** `/orgs/:org/projects/:project/env/:env/variables`: environment variables. `?reveal=`, `?edit=`, `?add=` name one. */
import { data, redirect, type ActionFunctionArgs, type HeadersFunction, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { asPage, pageUrl, readForm, requireEnvironment } from "../api/page.server";
import { changeVariables } from "../api/variablesForm.server";
import { VariablesPage } from "../components/settings/Variables";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { parseVariablesQuery, presentVariables } from "../presenters/variables.server";

const NOT_KEPT = { "cache-control": "no-store" };

export const handle = { crumbs: () => [{ label: "Environment variables" }] };
export const meta: MetaFunction = pageTitle("Environment variables");
export const headers: HeadersFunction = () => NOT_KEPT;

/** A value is part of the answer only where the address asks for it. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base } = await requireEnvironment(args);
    const query = parseVariablesQuery(pageUrl(args.request).searchParams);
    return data({ view: await presentVariables(app, env, query), path: `${base}/variables` }, { headers: NOT_KEPT });
  });
}

/** `create`, `update` or `delete`; what is refused stays in its form. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const outcome = await changeVariables(page, await readForm(args.request), args.request);
    if (outcome.kind === "refused") return data({ refused: outcome.refused }, { status: outcome.status, headers: NOT_KEPT });
    return redirect(`${page.base}/variables`, { headers: { "set-cookie": flashCookie(outcome.flash) } });
  });
}

export default function VariablesRoute() {
  const { view, path } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return <VariablesPage view={view} path={path} refused={answer?.refused ?? null} />;
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
