import { otlpAction } from "~/api/dispatch/otlpRoute.server";

/** OTLP metrics of a worker: accepted, so that exporters stay quiet, and not stored. */
export const action = otlpAction("metrics");
