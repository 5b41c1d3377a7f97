/** `GET /resources/regions/events`: a reminder to read the regions page again; agents report every few seconds. */
import type { LoaderFunctionArgs } from "@remix-run/node";
import { eventStream } from "../platform/sse.server";
import { AppError } from "../utils/appError";
import { getApp } from "../wiring.server";

const EVERY_MS = 5_000;

/** 401 without a session. */
export async function loader({ request }: LoaderFunctionArgs): Promise<Response> {
  if (!(await getApp().auth.session(request))) throw new AppError("signed_out", 401, "Sign in first.");
  return eventStream({
    signal: request.signal,
    open: (sink) => {
      const reminder = setInterval(() => sink.change(), EVERY_MS);
      return () => clearInterval(reminder);
    },
  });
}
