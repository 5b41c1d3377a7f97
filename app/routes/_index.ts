/** `/`: the runs of the first environment. */
import { redirect, type LoaderFunctionArgs } from "@remix-run/node";
import { asPage, environmentPath, requireUser } from "../api/page.server";
import { homePath } from "../presenters/shell.server";
import { getApp } from "../wiring.server";

/** Signed out, to the sign-in page. */
export function loader({ request }: LoaderFunctionArgs): Promise<Response> {
  return asPage(async () => redirect(await homePath(getApp(), await requireUser(request), environmentPath)));
}
