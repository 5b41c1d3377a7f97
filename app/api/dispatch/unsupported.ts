/** Calls of the SDK and the CLI that this release does not answer: each gets a 404 that names the feature, once and for all. */
import { AppError } from "../../utils/appError";

/** Path prefixes, most specific first. Kept equal to docs/compatibility.md by a test. */
export const UNSUPPORTED: readonly { prefix: string; feature: string }[] = [
  { prefix: "/api/v1/sessions", feature: "sessions" },
  { prefix: "/realtime/v1/sessions", feature: "sessions" },
  { prefix: "/api/v1/prompts", feature: "prompts" },
  { prefix: "/api/v1/query", feature: "query" },
  { prefix: "/api/v1/reports", feature: "reports" },
  { prefix: "/api/v1/webhooks", feature: "webhooks" },
  { prefix: "/api/v1/oidc", feature: "OIDC" },
  { prefix: "/api/v1/bulk-actions", feature: "bulk actions" },
  { prefix: "/api/v1/concurrency-limits", feature: "named concurrency limits" },
  { prefix: "/api/v1/batches", feature: "batches" },
  { prefix: "/api/v2/batches", feature: "batches" },
  { prefix: "/api/v3/batches", feature: "batches" },
  { prefix: "/api/v1/tasks/batch", feature: "batches" },
  { prefix: "/api/v2/tasks/batch", feature: "batches" },
  { prefix: "/api/v1/waitpoints", feature: "wait tokens" },
  { prefix: "/engine/v1/runs", feature: "waits" },
  { prefix: "/api/v1/schedules", feature: "schedules" },
  { prefix: "/api/v1/timezones", feature: "schedules" },
  { prefix: "/api/v1/queues", feature: "the queues API" },
  { prefix: "/realtime/v1/runs", feature: "realtime run subscriptions" },
  { prefix: "/realtime/v1/batches", feature: "realtime run subscriptions" },
  { prefix: "/realtime/v1/streams", feature: "realtime streams" },
];

/** The error for a path that no route serves. */
export function unservedPath(path: string): AppError {
  const known = UNSUPPORTED.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
  if (!known) return new AppError("unknown_route", 404, `There is no API route ${path}. Check the address and the version of the client.`);
  const text = `This server does not support ${known.feature} yet. See docs/compatibility.md for what it does support.`;
  return new AppError("unsupported_feature", 404, text, { "x-should-retry": "false" });
}
