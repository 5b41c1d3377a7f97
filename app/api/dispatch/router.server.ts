/**
 * Serves API paths without Remix's request handler, from the same route modules. One `node:http` listener: resource routes
 * (modules without a component) get a web `Request` straight from `@hono/node-server`; everything else goes to `fallback`.
 */
import { getRequestListener } from "@hono/node-server";
import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError } from "../../utils/appError";
import type { Logger } from "../../platform/logger";
import { toErrorResponse } from "./respond.server";
import { compileRoutes, type RouteDefinition, type RouteMatch } from "./routeMatcher";

type HandlerArgs = { request: Request; params: Record<string, string>; context: Record<string, never> };
/** A loader or action, with what `apiLoader` and `apiAction` say about themselves. */
type RouteHandler = ((args: HandlerArgs) => unknown) & {
  methods?: readonly string[];
  cors?: boolean;
  /** For routes that answer every method themselves: the ones that they serve. */
  allow?: string;
};

/** The part of a Remix route module that matters here. */
export type ResourceModule = { default?: unknown; ErrorBoundary?: unknown; loader?: unknown; action?: unknown };
export type DispatchedRoute = RouteDefinition & { module: ResourceModule };

export type DispatcherOptions = {
  /** `build.routes` of the Remix server build. */
  routes: Readonly<Record<string, DispatchedRoute>>;
  /** Express with the Remix handler: pages, assets. */
  fallback: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  log: Logger;
};

export type RequestListener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** First segments that belong to the API: what is unknown below them is a JSON 404, never a page. */
const API_ROOTS: ReadonlySet<string> = new Set(["api", "engine", "otel", "realtime", "healthcheck", "readiness", "metrics"]);
const WRITE_METHODS = ["POST", "PUT", "PATCH", "DELETE"] as const;
const CLIENT_CLOSED = 499;
const PREFLIGHT_SECONDS = "600";

type Target = { loader?: RouteHandler; action?: RouteHandler; methods: readonly string[]; allow: string };
type CompiledRoute = RouteDefinition & { target: Target | null };
type Matched = RouteMatch<CompiledRoute> | null;

/** Compiles the route tree once and returns the listener of the HTTP server. */
export function createDispatcher(options: DispatcherOptions): RequestListener {
  const match = compileRoutes(Object.values(options.routes).map(compile));
  const matches = new WeakMap<IncomingMessage, Matched>();
  const serve = getRequestListener(
    (request, env) => {
      const incoming = (env as { incoming: IncomingMessage }).incoming;
      return answer({ request, incoming, matched: matches.get(incoming) ?? null, log: options.log });
    },
    { overrideGlobalObjects: true, errorHandler: (error) => malformed(error, options.log) }
  );
  return (incoming, outgoing) => {
    const path = pathOf(incoming.url ?? "/");
    const matched = match(path);
    if (!matched?.route.target && !isApiPath(path)) return options.fallback(incoming, outgoing);
    matches.set(incoming, matched);
    void serve(incoming, outgoing);
  };
}

function compile(route: DispatchedRoute): CompiledRoute {
  const { id, parentId, path, index, caseSensitive, module } = route;
  return { id, parentId, path, index, caseSensitive, target: targetOf(module) };
}

function targetOf(module: ResourceModule): Target | null {
  if (module.default != null || module.ErrorBoundary != null) return null;
  const loader = typeof module.loader === "function" ? (module.loader as RouteHandler) : undefined;
  const action = typeof module.action === "function" ? (module.action as RouteHandler) : undefined;
  const methods = [...(loader ? ["GET", "HEAD"] : []), ...(action ? (action.methods ?? WRITE_METHODS) : [])];
  return { loader, action, methods, allow: action?.allow ?? [...methods, "OPTIONS"].join(", ") };
}

/** The path of a request target, which may be absolute (the form that proxies send) or `*`. */
function pathOf(target: string): string {
  const path = target.startsWith("/") ? target : pathOfAbsolute(target);
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

function pathOfAbsolute(target: string): string {
  return URL.canParse(target) ? new URL(target).pathname : "/";
}

function isApiPath(path: string): boolean {
  const end = path.indexOf("/", 1);
  const first = end < 0 ? path.slice(1) : path.slice(1, end);
  return API_ROOTS.has(first.toLowerCase());
}

type Exchange = { request: Request; incoming: IncomingMessage; matched: Matched; log: Logger };

async function answer(exchange: Exchange): Promise<Response> {
  const { request, matched } = exchange;
  const { method } = request;
  try {
    const target = matched?.route.target;
    if (!matched || !target) throw unknownRoute(request);
    if (method === "OPTIONS") return preflight(request, target);
    const handler = target.methods.includes(method) ? handlerOf(method, target) : undefined;
    if (!handler) throw wrongMethod(method, target);
    const response = toResponse(await handler({ request, params: matched.params, context: {} }));
    return method === "HEAD" ? await withoutBody(response) : response;
  } catch (error) {
    return failed(error, exchange);
  }
}

function handlerOf(method: string, target: Target): RouteHandler | undefined {
  return method === "GET" || method === "HEAD" ? target.loader : target.action;
}

/** Remix lets resource routes return plain values. */
function toResponse(value: unknown): Response {
  return value instanceof Response ? value : Response.json(value ?? null);
}

/** A HEAD of an event stream must not leave its producer running. */
async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel();
  return new Response(null, { status: response.status, statusText: response.statusText, headers: response.headers });
}

function unknownRoute(request: Request): AppError {
  const path = new URL(request.url).pathname;
  return new AppError("unknown_route", 404, `There is no API route ${path}. Check the address and the version of the client.`);
}

function wrongMethod(method: string, target: Target): AppError {
  return new AppError("method_not_allowed", 405, `${method} is not allowed here. Use ${target.methods.join(" or ")}.`, {
    allow: target.allow,
  });
}

/** Any origin may ask; what it may read is decided by the CORS headers of the answer itself. */
function preflight(request: Request, target: Target): Response {
  const headers: Record<string, string> = { allow: target.allow };
  if (target.loader?.cors || target.action?.cors) {
    headers["access-control-allow-origin"] = "*";
    headers["access-control-allow-methods"] = target.methods.join(", ");
    headers["access-control-allow-headers"] = request.headers.get("access-control-request-headers") ?? "*";
    headers["access-control-max-age"] = PREFLIGHT_SECONDS;
    headers.vary = "access-control-request-headers";
  }
  return new Response(null, { status: 204, headers });
}

function failed(error: unknown, { request, incoming, log }: Exchange): Response {
  if (error instanceof Response) return error;
  const path = new URL(request.url).pathname;
  if (incoming.destroyed && !incoming.complete) {
    log.info("request.client_gone", { method: request.method, path });
    return new Response(null, { status: CLIENT_CLOSED });
  }
  return toErrorResponse(error, log, { method: request.method, path });
}

/** The request itself could not be built: a bad Host header, a bad target. */
function malformed(error: unknown, log: Logger): Response {
  const cause = error instanceof Error ? error.message : "unknown";
  return toErrorResponse(new AppError("malformed_request", 400, `The request could not be read: ${cause}.`), log, {
    method: "?",
    path: "?",
  });
}
