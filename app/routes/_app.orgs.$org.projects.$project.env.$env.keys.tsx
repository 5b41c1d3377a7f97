/** `/orgs/:org/projects/:project/env/:env/keys`: environments of the project, their keys, limits and pauses. */
import { redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useLoaderData } from "@remix-run/react";
import { flashCookie } from "../api/cookies.server";
import { changeEnvironment } from "../api/environmentActions.server";
import { asPage, readForm, requireEnvironment } from "../api/page.server";
import { EnvironmentCard } from "../components/settings/EnvironmentCard";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { presentKeys } from "../presenters/keys.server";
import { AppError } from "../utils/appError";

export const handle = { crumbs: () => [{ label: "API keys" }] };
export const meta: MetaFunction = pageTitle("API keys");

/** Keys are part of the answer: only members get here. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, user, project, env } = await requireEnvironment(args);
    return { ...(await presentKeys(app, user, project)), currentId: env.id, projectName: project.name, projectRef: project.ref };
  });
}

/** Rotate, revoke old keys, set the limit, pause, resume. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const page = await requireEnvironment(args);
    const flash = await changeEnvironment(page, await readForm(args.request)).catch((error: unknown) => {
      if (error instanceof AppError && error.status === 400)
        return { kind: "bad", title: "Nothing was changed.", text: error.message } as const;
      throw error;
    });
    return redirect(`${page.base}/keys`, { headers: { "set-cookie": flashCookie(flash) } });
  });
}

export default function KeysPage() {
  const { asOf, cards, currentId, projectName, projectRef } = useLoaderData<typeof loader>();
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>API keys</h1>
          <p className="soft">
            Environments of {projectName}, project <span className="mono">{projectRef}</span>. A key triggers and reads runs of its
            environment.
          </p>
        </div>
      </section>
      <div className="read">
        {cards.map((card) => (
          <EnvironmentCard key={card.id} card={card} asOf={asOf} current={card.id === currentId} />
        ))}
      </div>
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
