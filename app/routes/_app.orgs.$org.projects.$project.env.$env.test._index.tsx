/** `/orgs/:org/projects/:project/env/:env/test`: trigger a task by hand. */
import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs, type MetaFunction } from "@remix-run/node";
import { useActionData, useLoaderData } from "@remix-run/react";
import { asPage, field, pageUrl, readForm, requireEnvironment } from "../api/page.server";
import { dashboardContext } from "../api/runActions.server";
import { TestForm } from "../components/settings/TestForm";
import { ErrorPage } from "../components/shell/ErrorPage";
import { pageTitle } from "../components/shell/pageTitle";
import { knownTasks } from "../presenters/runs/runList.server";
import { AppError } from "../utils/appError";
import { friendlyId } from "../utils/ids";

export const handle = { crumbs: () => [{ label: "Test" }] };
export const meta: MetaFunction = pageTitle("Test");

/** Tasks of the current version; `task` in the query chooses one. */
export function loader(args: LoaderFunctionArgs) {
  return asPage(async () => {
    const { app, env } = await requireEnvironment(args);
    const known = await knownTasks(app, env);
    return {
      tasks: known.names,
      version: known.version,
      slug: env.slug,
      chosen: pageUrl(args.request).searchParams.get("task") ?? known.names[0] ?? "",
    };
  });
}

/** Triggers and opens the run; what the trigger refuses is said beside the form. */
export function action(args: ActionFunctionArgs) {
  return asPage(async () => {
    const { app, env, base } = await requireEnvironment(args);
    const form = await readForm(args.request);
    const task = field(form, "task").trim();
    const payload = field(form, "payload");
    try {
      if (task === "") throw new AppError("task_missing", 400, "Name the task to trigger.");
      const body = { payload: parsePayload(payload), options: { test: true } };
      const { runId } = await app.runs.triggerTask.call({ env, task, body, context: dashboardContext(args.request), oneTimeToken: null });
      return redirect(`${base}/runs/${friendlyId("run", runId)}`);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return data(
        { error: error.message, about: error.code === "invalid_json" ? ("payload" as const) : ("task" as const), task, payload },
        { status: error.status }
      );
    }
  });
}

function parsePayload(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AppError("invalid_json", 400, `The payload is not valid JSON: ${why}`);
  }
}

export default function TestPage() {
  const { tasks, version, slug, chosen } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <>
      <section className="head">
        <div className="grow">
          <h1>Test a task</h1>
          <p className="soft">
            {version
              ? `Triggers a run in ${slug}. Version ${version} is current.`
              : `No version is registered in ${slug} yet. The run waits until one has its task.`}
          </p>
        </div>
      </section>
      <div className="read">
        <TestForm
          tasks={tasks}
          slug={slug}
          chosen={answer?.task ?? chosen}
          payload={answer?.payload ?? "{}"}
          error={answer?.error ?? null}
          about={answer?.about ?? "task"}
        />
      </div>
    </>
  );
}

/** In place of the page; the frame stays. */
export function ErrorBoundary() {
  return <ErrorPage inShell />;
}
