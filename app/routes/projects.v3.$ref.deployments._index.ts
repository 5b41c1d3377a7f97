/** `/projects/v3/:ref/deployments?environment=prod`: the deployments of a project. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { followCliLink } from "../api/cliLinks.server";

/** A redirect; signed out, to the sign-in page and back here. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return followCliLink(args, (place) => `${place.base}/deployments`);
}
