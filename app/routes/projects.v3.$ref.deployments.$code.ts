/** `/projects/v3/:ref/deployments/:code`, as the CLI prints it for every deployment. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { deploymentPath, followCliLink } from "../api/cliLinks.server";

/** A redirect; signed out, to the sign-in page and back here. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return followCliLink(args, (place) => deploymentPath(place, args.params.code ?? ""));
}
