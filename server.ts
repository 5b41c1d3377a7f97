/** Process entry. Everything it does is in `app/boot.server.ts`; Remix compiles both, and all routes, into one bundle. */
import * as build from "@remix-run/dev/server-build";
import { boot } from "./app/boot.server";
import { errorMessage } from "./app/platform/logger";

try {
  await boot(build);
} catch (error) {
  process.stderr.write(`\nSluice did not start. ${errorMessage(error)}\n`);
  process.exitCode = 1;
  // A pool or a timer of a half-started domain must not keep a failed process alive.
  setTimeout(() => process.exit(1), 1_000).unref();
}
