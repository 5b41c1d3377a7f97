/** The go-to field: a run id leads to the run, a version to its deployment or its runs, a task name to its runs. */
import { redirect, type LoaderFunctionArgs } from "@remix-run/node";
import { flashCookie } from "../api/cookies.server";
import { asPage, requireEnvironment } from "../api/page.server";
import { deploymentByVersion } from "../deployments/rows/deploymentRows.server";
import { runsSearch } from "../presenters/runs/runFilters";
import { friendlyId, parseFriendlyId } from "../utils/ids";

const LONGEST = 128;

/** Always a redirect; what is not found is said on the runs list. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return asPage(async () => {
    const { app, env, base } = await requireEnvironment(args);
    const text = (new URL(args.request.url).searchParams.get("q") ?? "").trim().slice(0, LONGEST);
    if (text === "") return redirect(`${base}/runs`);
    const id = parseFriendlyId("run", text);
    if (id !== null) {
      const found = (await app.store.getRuns(env.id, [id])).has(id);
      if (found) return redirect(`${base}/runs/${friendlyId("run", id)}`);
      const flash = { kind: "hold", title: `There is no run ${text} in ${env.slug}.`, text: "It may be in another environment." } as const;
      return redirect(`${base}/runs`, { headers: { "set-cookie": flashCookie(flash) } });
    }
    const isVersion = /^\d{8}\.\d{1,9}$/.test(text);
    const deployment = isVersion ? await deploymentByVersion(app.deployments.pool, env.id, text) : null;
    if (deployment) return redirect(`${base}/deployments/${deployment.shortCode}`);
    return redirect(`${base}/runs?${runsSearch(isVersion ? { version: [text] } : { task: [text] })}`);
  });
}
