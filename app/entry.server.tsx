/** Renders a page. Bots get it whole; browsers get it as it is produced. */
import { PassThrough } from "node:stream";
import { createReadableStreamFromReadable, type EntryContext, type HandleErrorFunction } from "@remix-run/node";
import { RemixServer } from "@remix-run/react";
import { isbot } from "isbot";
import { renderToPipeableStream } from "react-dom/server";
import { createLogger, errorMessage } from "./platform/logger";

const ABORT_AFTER_MS = 5_000;
const log = createLogger("error");

/** Remix's entry. */
export default function handleRequest(request: Request, status: number, headers: Headers, context: EntryContext): Promise<Response> {
  return new Promise((resolve, reject) => {
    const whole = isbot(request.headers.get("user-agent") ?? "");
    let current = status;
    let shellSent = false;
    const send = () => {
      shellSent = true;
      const body = new PassThrough();
      headers.set("content-type", "text/html; charset=utf-8");
      resolve(new Response(createReadableStreamFromReadable(body), { headers, status: current }));
      pipe(body);
    };
    const { pipe, abort } = renderToPipeableStream(<RemixServer context={context} url={request.url} abortDelay={ABORT_AFTER_MS} />, {
      ...(whole ? { onAllReady: send } : { onShellReady: send }),
      onShellError: (error) => reject(error instanceof Error ? error : new Error(errorMessage(error))),
      onError: (error) => {
        current = 500;
        // What fails before the shell is sent is rejected above and logged by handleError.
        if (shellSent) log.error("page.render_failed", { message: errorMessage(error) });
      },
    });
    setTimeout(abort, ABORT_AFTER_MS).unref();
  });
}

/** Errors that loaders and actions of pages throw; a client that left is not one. */
export const handleError: HandleErrorFunction = (error, { request }) => {
  if (request.signal.aborted) return;
  log.error("page.failed", {
    method: request.method,
    path: new URL(request.url).pathname,
    message: errorMessage(error),
    stack: error instanceof Error ? error.stack : undefined,
  });
};
