/**
 * The shape of every API route: parse, authorise, call one service or presenter, respond. `apiLoader` serves GET and
 * HEAD, `apiAction` the methods it names; every other method is a 405 with `Allow`, answered by the dispatcher.
 */
import type { ActionFunctionArgs, LoaderFunctionArgs } from "@remix-run/node";
import type { z } from "zod";
import type { AgentCaller, EnvironmentCaller, UserCaller } from "../../auth/types";
import { getApp, type App } from "../../wiring.server";
import { AppError } from "../../utils/appError";
import { parseJsonBody } from "./jsonBody";
import { ClientGoneError, describeZodError, toErrorResponse } from "./respond.server";

type CallerOf = {
  environment: EnvironmentCaller;
  "secret-key": EnvironmentCaller;
  user: UserCaller;
  agent: AgentCaller;
  build: EnvironmentCaller;
  none: null;
};
/** `environment`: secret key or public token; `secret-key`: key only; `user`: personal access token; `agent`: token of a region; `build`: token of a build; `none`: public. */
export type AuthKind = keyof CallerOf;
export type ApiMethod = "POST" | "PUT" | "PATCH" | "DELETE";

type Schema = z.ZodType;
type Output<S> = S extends Schema ? z.output<S> : undefined;

export type ApiContext<A extends AuthKind, P, Q, B> = {
  app: App;
  request: Request;
  caller: CallerOf[A];
  params: Output<P>;
  query: Output<Q>;
  body: Output<B>;
};

type Spec<A extends AuthKind, P, Q, B> = {
  auth: A;
  /** The token of a build is taken too, where a key of its environment is. */
  builds?: boolean;
  /** Route parameters, already percent-decoded. */
  params?: P;
  /** Query parameters; a repeated one arrives as its last value. */
  query?: Q;
  /** JSON whatever the content type says (the CLI sends text/plain). An empty body arrives as `undefined`. */
  body?: B;
  /** Most bytes of the body; beyond is a 413. */
  maxBodyBytes?: number;
  /** Browsers may call the route: answers to requests with an `Origin` carry CORS headers. */
  cors?: boolean;
};

type Handler<A extends AuthKind, P, Q, B> = (context: ApiContext<A, P, Q, B>) => Promise<Response>;

const DEFAULT_MAX_BODY_BYTES = 4 * 1024 * 1024;

/** What the dispatcher reads off a handler: its methods, so that a 405 is answered before anything is read, and whether browsers may call it. */
export type ApiRouteHandler<Args> = ((args: Args) => Promise<Response>) & { methods: readonly string[]; cors: boolean };

export function apiAction<A extends AuthKind, P = undefined, Q = undefined, B = undefined>(
  spec: Spec<A, P, Q, B> & { methods?: readonly ApiMethod[] },
  handler: Handler<A, P, Q, B>
): ApiRouteHandler<ActionFunctionArgs> {
  const methods: readonly string[] = spec.methods ?? ["POST"];
  const action = async ({ request, params }: ActionFunctionArgs) => {
    if (!methods.includes(request.method)) return wrongMethod(request, methods);
    return run(spec, handler, request, params);
  };
  return Object.assign(action, { methods, cors: spec.cors === true });
}

/** A read; never has a body. */
export function apiLoader<A extends AuthKind, P = undefined, Q = undefined>(
  spec: Omit<Spec<A, P, Q, undefined>, "body" | "maxBodyBytes">,
  handler: Handler<A, P, Q, undefined>
): ApiRouteHandler<LoaderFunctionArgs> {
  const loader = ({ request, params }: LoaderFunctionArgs) => run({ ...spec, body: undefined }, handler, request, params);
  return Object.assign(loader, { methods: ["GET", "HEAD"], cors: spec.cors === true });
}

async function run<A extends AuthKind, P, Q, B>(
  spec: Spec<A, P, Q, B>,
  handler: Handler<A, P, Q, B>,
  request: Request,
  rawParams: Record<string, string | undefined>
): Promise<Response> {
  const app = getApp();
  let response: Response;
  try {
    const caller = (await authorise(app, spec, request)) as CallerOf[A];
    const params = parsePart(spec.params, rawParams, "path") as Output<P>;
    const query = (spec.query ? parsePart(spec.query, queryOf(request.url), "query") : undefined) as Output<Q>;
    const body = (spec.body ? await readBody(spec.body, request, spec.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES) : undefined) as Output<B>;
    response = await handler({ app, request, caller, params, query, body });
  } catch (error) {
    response = toErrorResponse(error, app.log, { method: request.method, path: pathOf(request.url) });
  }
  // Only browsers send Origin: everyone else is spared the headers.
  if (spec.cors && request.headers.get("origin") !== null) allowOrigins(response);
  return response;
}

async function authorise(
  app: App,
  { auth, builds }: { auth: AuthKind; builds?: boolean },
  request: Request
): Promise<EnvironmentCaller | UserCaller | AgentCaller | null> {
  const build = builds || auth === "build" ? await app.buildAccess.authenticate(request) : null;
  if (build) return build;
  switch (auth) {
    case "environment":
      return app.auth.environment(request);
    case "secret-key":
      return app.auth.secretKey(request);
    case "user":
      return app.auth.personalAccessToken(request);
    case "agent":
      return app.agents.authenticate(request.headers);
    case "build":
      throw new AppError("build_token_required", 401, "Only a build may call this, with the token that it was given.");
    case "none":
      return null;
  }
}

function parsePart(schema: unknown, value: unknown, where: "path" | "query" | "body"): unknown {
  if (!schema) return undefined;
  const parsed = (schema as Schema).safeParse(value);
  if (!parsed.success) throw new AppError(`invalid_${where}`, 400, describeZodError(parsed.error, where));
  return parsed.data;
}

async function readBody(schema: unknown, request: Request, maxBytes: number): Promise<unknown> {
  return parsePart(schema, parseJsonBody(await readText(request, maxBytes)), "body");
}

/** The body as text; refuses more than `maxBytes` before reading it when its length is announced, else while reading. */
async function readText(request: Request, maxBytes: number): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  try {
    return Number.isNaN(announced) ? await readChunks(request, maxBytes) : await request.text();
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new ClientGoneError("The request body ended early.", { cause: error });
  }
}

async function readChunks(request: Request, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body) {
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    "body_too_large",
    413,
    `The request body is larger than ${maxBytes} bytes. Send less, or upload large values as packets.`
  );
}

/** For calls that bypass the dispatcher; it answers the same before it gets here. */
function wrongMethod(request: Request, allowed: readonly string[]): Response {
  const error = new AppError("method_not_allowed", 405, `${request.method} is not allowed here. Use ${allowed.join(" or ")}.`, {
    allow: allowed.join(", "),
  });
  return toErrorResponse(error, getApp().log, { method: request.method, path: pathOf(request.url) });
}

function allowOrigins(response: Response): void {
  response.headers.set("access-control-allow-origin", "*");
  response.headers.set("access-control-expose-headers", "*");
}

/** Without a prototype, so that no parameter name is special. */
function queryOf(url: string): Record<string, string> {
  const query = Object.create(null) as Record<string, string>;
  const at = url.indexOf("?");
  if (at >= 0) for (const [name, value] of new URLSearchParams(url.slice(at + 1))) query[name] = value;
  return query;
}

/** For logs: the token of an OTLP path is a credential, so it is left out. */
function pathOf(url: string): string {
  return new URL(url).pathname.replace(/^\/otel\/[^/]+/, "/otel/***");
}
