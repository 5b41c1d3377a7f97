/** `/projects/v3/:ref/runs/:run`, as the CLI prints it for every run. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { followCliLink, runPath } from "../api/cliLinks.server";

/** A redirect; signed out, to the sign-in page and back here. */
export function loader(args: LoaderFunctionArgs): Promise<Response> {
  return followCliLink(args, (place) => runPath(place, args.params.run ?? ""));
}
