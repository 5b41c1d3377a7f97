/** Express with Remix's request handler: pages, their data, and static files. API paths never come here. */
import path from "node:path";
import { createRequestHandler } from "@remix-run/express";
import type { ServerBuild } from "@remix-run/node";
import compression from "compression";
import express, { type Express, type RequestHandler } from "express";
import type { Sender } from "./auth/sameOrigin.server";
import { AppError } from "./utils/appError";

const EVENT_STREAM = "text/event-stream";

export type PagesOptions = {
  /** The folder that holds `public/`. */
  root: string;
  mode: string;
  /** Throws AppError for a form of another site. */
  assertSameOrigin(sender: Sender): void;
};

/** Express with everything that a browser asks for. */
export function createPages(build: ServerBuild, options: PagesOptions): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(
    compression({
      filter: (request, response) => isCompressible(response.getHeader("content-type")) && compression.filter(request, response),
    })
  );
  const publicFolder = path.join(options.root, "public");
  // File names under /build carry a hash of their content.
  app.use("/build", express.static(path.join(publicFolder, "build"), { immutable: true, maxAge: "1y", fallthrough: false }));
  app.use(express.static(publicFolder, { maxAge: "1h" }));
  app.use((request, _response, next) => {
    // Sign-in limits count by address. Whatever the caller put here is overwritten.
    request.headers["x-sluice-client-address"] = request.socket.remoteAddress;
    next();
  });
  app.use(settleOrigin((sender) => options.assertSameOrigin(sender)));
  app.all("*", createRequestHandler({ build, mode: options.mode }));
  return app;
}

/**
 * Remix compares `Origin` and `Host` before any of our code runs and answers what differs with an empty 500, also where
 * PUBLIC_URL allows it. So the check of every form is made here, and its verdict takes the place of the header: the form's
 * own check then passes, or refuses it with a page that says why.
 */
export function settleOrigin(assertSameOrigin: (sender: Sender) => void): RequestHandler {
  return (request, _response, next) => {
    if (request.headers.origin !== undefined) {
      request.headers["sec-fetch-site"] = isSameOrigin(request, assertSameOrigin) ? "same-origin" : "cross-site";
      delete request.headers.origin;
    }
    next();
  };
}

function isSameOrigin(request: Parameters<RequestHandler>[0], assertSameOrigin: (sender: Sender) => void): boolean {
  try {
    assertSameOrigin({ method: request.method, headers: { get: (name) => request.get(name) ?? null } });
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

/** A compressed event stream would wait for a full buffer. */
function isCompressible(contentType: number | string | string[] | undefined): boolean {
  return !String(contentType ?? "").startsWith(EVENT_STREAM);
}
