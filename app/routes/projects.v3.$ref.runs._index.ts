/** `/projects/v3/:ref/runs?envSlug=dev`, as the CLI prints it. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { followCliLink } from "../api/cliLinks.server";

/** A redirect; signed out, to the sign-in page and back here. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return followCliLink(args, (place) => `${place.base}/runs`);
}
