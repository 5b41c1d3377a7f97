/** An environment's address without a page: its runs. */
import { redirect, type LoaderFunctionArgs } from "@remix-run/node";
import { asPage, requireEnvironment } from "../api/page.server";

/** 404 for an environment that the person may not see. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return asPage(async () => redirect(`${(await requireEnvironment(args)).base}/runs`));
}
