/** `/orgs/:org/projects/:project/env/:env/runs/:run`: one run, live. */
import { redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { asPage, field, pageUrl, readForm, requireEnvironment } from "../api/page.server";
import { actOnRun } from "../api/runActions.server";
import { DATA_TABS, type DataTab } from "../components/runs/DataPanel";
import { RunPage } from "../components/runs/RunPage";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { useFollow } from "../hooks/live";
import { presentRun } from "../presenters/runs/runPage.server";
import { AppError } from "../utils/appError";

const SPAN_ID = /^[0-9a-f]{16}$/;

export const handle = {
  crumbs: (data: unknown, params: Readonly<Record<string, string | undefined>>) => [
    { label: "Runs", href: `/orgs/${params.org}/projects/${params.project}/env/${params.env}/runs` },
    { label: cutId(params.run ?? ""), mono: true },
  ],
};
export const meta: MetaFunction<typeof loader> = pageTitle("Run", ({ run }) => `${run.task} run`);

/** Tab, selected span and scale are in the URL. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env, base, timeZone } = await requireEnvironment(args);
    const url = pageUrl(args.request);
    const span = url.searchParams.get("span");
    if (span !== null && !SPAN_ID.test(span))
      throw new AppError("invalid_span", 400, "The span in this address is not a span id: 16 hexadecimal characters.");
    const hrefOf = (change: Record<string, string | null>) => withSearch(url, change);
    const run = await presentRun(app, {
      env,
      base,
      run: args.params.run ?? "",
      fold: url.searchParams.get("scale") !== "true",
      span,
      hrefOf: (id) => hrefOf({ span: id }),
      timeZone,
    });
    const tab = DATA_TABS.find((name) => name === url.searchParams.get("tab")) ?? "payload";
    const tabs = Object.fromEntries(DATA_TABS.map((name) => [name, hrefOf({ tab: name })])) as Record<DataTab, string>;
    const live = `/resources/envs/${env.id}/runs/${run.id}/events`;
    return { run, tab, span, tabs, foldedHref: hrefOf({ scale: null }), trueHref: hrefOf({ scale: "true" }), live };
  });
}

/** `cancel` and `replay`. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const form = await readForm(args.request);
    const done = await actOnRun(page, { intent: field(form, "intent"), run: args.params.run ?? "", request: args.request });
    return redirect(done.href, { headers: { "set-cookie": flashCookie(done.flash) } });
  });
}

export default function RunRoute() {
  const { run, tab, span, tabs, foldedHref, trueHref, live } = useLoaderData<typeof loader>();
  useFollow(live);
  return <RunPage run={run} tab={tab} selectedSpan={span} hrefOfTab={(name) => tabs[name]} foldedHref={foldedHref} trueHref={trueHref} />;
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}

function withSearch(url: URL, change: Record<string, string | null>): string {
  const params = new URLSearchParams(url.searchParams);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  const search = params.toString();
  return search ? `${url.pathname}?${search}` : url.pathname;
}

function cutId(id: string): string {
  return id.length > 20 ? `${id.slice(0, 10)}…${id.slice(-6)}` : id;
}
