/** Express with Remix's request handler: pages, their data, and static files. API paths never come here. */
import path from "node:path";
import { createRequestHandler } from "@remix-run/express";
import type { ServerBuild } from "@remix-run/node";
import compression from "compression";
import express, { type Express } from "express";

const EVENT_STREAM = "text/event-stream";

/** `root`: the folder that holds `public/`. */
export function createPages(build: ServerBuild, options: { root: string; mode: string }): Express {
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
  app.all("*", createRequestHandler({ build, mode: options.mode }));
  return app;
}

/** A compressed event stream would wait for a full buffer. */
function isCompressible(contentType: number | string | string[] | undefined): boolean {
  return !String(contentType ?? "").startsWith(EVENT_STREAM);
}
