/**
 * The shape of every API route: parse, authorise, call one service or presenter, respond. `apiLoader` serves GET and
 * HEAD, `apiAction` the methods it names; every other method is a 405 with `Allow`, answered by the dispatcher.
 */
import type { ActionFunctionArgs, LoaderFunctionArgs } from "@remix-run/node";
import { z } from "zod";
import type { EnvironmentCaller, UserCaller } from "../auth/types";
import { getApp, type App } from "../wiring.server";
import { AppError } from "../utils/appError";
import { describeZodError, errorResponse, toErrorResponse } from "./respond.server";

type CallerOf = { environment: EnvironmentCaller; "secret-key": EnvironmentCaller; user: UserCaller; none: null };
/** `environment`: secret key or public token; `secret-key`: key only; `user`: personal access token; `none`: public. */
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
  /** Route parameters, already percent-decoded. */
  params?: P;
  /** Query parameters; a repeated one arrives as its last value. */
  query?: Q;
  /** JSON whatever the content type says (the CLI sends text/plain). An empty body parses as `undefined`. */
  body?: B;
  /** Most bytes of the body; beyond is a 413. */
  maxBodyBytes?: number;
  /** Answers with CORS headers: the route is meant for browsers. */
  cors?: boolean;
};

type Handler<A extends AuthKind, P, Q, B> = (context: ApiContext<A, P, Q, B>) => Promise<Response>;

const DEFAULT_MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Route modules export `methods` beside `action`, so that the dispatcher can answer 405 before anything is read. */
export function apiAction<A extends AuthKind, P = undefined, Q = undefined, B = undefined>(
  spec: Spec<A, P, Q, B> & { methods?: readonly ApiMethod[] },
  handler: Handler<A, P, Q, B>
): (args: ActionFunctionArgs) => Promise<Response> {
  const methods: readonly string[] = spec.methods ?? ["POST"];
  return async ({ request, params }) => {
    if (!methods.includes(request.method)) return withCors(spec.cors, methodNotAllowed(request.method, methods));
    return run(spec, handler, request, params);
  };
}

/** A read; never has a body. */
export function apiLoader<A extends AuthKind, P = undefined, Q = undefined>(
  spec: Omit<Spec<A, P, Q, undefined>, "body" | "maxBodyBytes">,
  handler: Handler<A, P, Q, undefined>
): (args: LoaderFunctionArgs) => Promise<Response> {
  return ({ request, params }) => run({ ...spec, body: undefined }, handler, request, params);
}

async function run<A extends AuthKind, P, Q, B>(
  spec: Spec<A, P, Q, B>,
  handler: Handler<A, P, Q, B>,
  request: Request,
  rawParams: Record<string, string | undefined>
): Promise<Response> {
  const app = getApp();
  try {
    const caller = (await authorise(app, spec.auth, request)) as CallerOf[A];
    const params = parsePart(spec.params, rawParams, "path") as Output<P>;
    const query = (spec.query ? parsePart(spec.query, queryOf(request.url), "query") : undefined) as Output<Q>;
    const body = (spec.body ? await parseBody(spec.body, request, spec.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES) : undefined) as Output<B>;
    return withCors(spec.cors, await handler({ app, request, caller, params, query, body }));
  } catch (error) {
    const path = pathOf(request.url);
    return withCors(spec.cors, toErrorResponse(error, app.log, { method: request.method, path }));
  }
}

function authorise(app: App, kind: AuthKind, request: Request): Promise<EnvironmentCaller | UserCaller | null> {
  switch (kind) {
    case "environment":
      return app.auth.environment(request);
    case "secret-key":
      return app.auth.secretKey(request);
    case "user":
      return app.auth.personalAccessToken(request);
    case "none":
      return Promise.resolve(null);
  }
}

function parsePart(schema: unknown, value: unknown, where: "path" | "query" | "body"): unknown {
  if (!schema) return undefined;
  const parsed = (schema as Schema).safeParse(value);
  if (!parsed.success) throw new AppError(`invalid_${where}`, 400, describeZodError(parsed.error, where));
  return parsed.data;
}

async function parseBody(schema: unknown, request: Request, maxBytes: number): Promise<unknown> {
  const text = await readText(request, maxBytes);
  let value: unknown;
  try {
    value = text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new AppError("invalid_json", 400, "The request body is not valid JSON. Send one JSON object.");
  }
  return parsePart(schema, value, "body");
}

/** The body as text; refuses more than `maxBytes` before reading it when its length is announced, else while reading. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  if (!Number.isNaN(announced)) return request.text();
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
  return new AppError("body_too_large", 413, `The request body is larger than ${maxBytes} bytes. Send less, or upload large values as packets.`);
}

function methodNotAllowed(method: string, allowed: readonly string[]): Response {
  return errorResponse(405, `${method} is not allowed here. Use ${allowed.join(" or ")}.`, { allow: allowed.join(", ") });
}

const CORS_HEADERS: Record<string, string> = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "*",
};

function withCors(cors: boolean | undefined, response: Response): Response {
  if (cors) for (const [name, value] of Object.entries(CORS_HEADERS)) response.headers.set(name, value);
  return response;
}

function queryOf(url: string): Record<string, string> {
  const at = url.indexOf("?");
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(at + 1)));
}

function pathOf(url: string): string {
  return new URL(url).pathname;
}
