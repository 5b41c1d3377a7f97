/** Routes that are written to by POST alone and say so themselves, whatever method comes and whoever dispatches. */
import type { ActionFunctionArgs, LoaderFunctionArgs } from "@remix-run/node";
import { errorResponse } from "./respond.server";
import type { ApiRouteHandler } from "./route.server";

const ALLOW = "POST";

type PostOnly = {
  loader: (args: LoaderFunctionArgs) => Promise<Response>;
  action: ((args: ActionFunctionArgs) => Promise<Response>) & { allow: string };
};

/** `loader` and `action` of the module: a real 405 with `Allow: POST` before anything is read, else the given action. */
export function postOnly(post: ApiRouteHandler<ActionFunctionArgs>): PostOnly {
  const action = (args: ActionFunctionArgs) => (args.request.method === "POST" ? post(args) : Promise.resolve(refuse()));
  return { loader: () => Promise.resolve(refuse()), action: Object.assign(action, { allow: ALLOW }) };
}

function refuse(): Response {
  return errorResponse(405, "Method Not Allowed", { allow: ALLOW });
}
