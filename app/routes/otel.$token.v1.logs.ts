import { otlpAction } from "~/api/dispatch/otlpRoute.server";

/** OTLP logs of a worker; the token in the path names the environment. Answers once the request is in memory. */
export const action = otlpAction("logs");
