/** Query of the run lists: filters and cursors in brackets, several values separated by commas. */
import { z } from "zod";
import { storedStatuses, type PublicRunStatus, type RunStatus } from "../../runops/runStates";
import { parseDurationMs } from "../../runs/trigger/durations";
import { parseFriendlyId, type IdPrefix } from "../../utils/ids";

const MAX_VALUES = 100;
const MAX_TEXT = 16_384;

const list = z
  .string()
  .max(MAX_TEXT)
  .transform((text) => [...new Set(text.split(",").filter(Boolean))])
  .refine((values) => values.length <= MAX_VALUES, `must name at most ${MAX_VALUES} values`)
  .refine((values) => values.every((value) => !value.includes("\0")), "must not contain NUL characters");

/** Names before API version 2025-07-16, still sent by old clients. */
const OLD_NAMES: ReadonlyMap<string, RunStatus[]> = new Map([
  ["FROZEN", ["WAITING_TO_RESUME"]],
  ["REATTEMPTING", ["RETRYING_AFTER_FAILURE"]],
]);

const statuses = list.transform((names, context) => {
  const stored = names.map((name) => OLD_NAMES.get(name) ?? storedStatuses(name as PublicRunStatus));
  const unknown = names.find((_, index) => stored[index]?.length === 0);
  if (unknown !== undefined) context.addIssue({ code: "custom", message: `there is no status "${unknown}"` });
  return stored.flat();
});

function id(prefix: IdPrefix) {
  return z.string().transform((text, context) => {
    const body = parseFriendlyId(prefix, text);
    if (body === null) context.addIssue({ code: "custom", message: `"${text}" is no ${prefix} id` });
    return body ?? "";
  });
}

const MAX_DATE_MS = 8.64e15;
/** Milliseconds or an ISO date. */
const instant = z.string().transform((text, context) => {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms) || ms > MAX_DATE_MS) context.addIssue({ code: "custom", message: "must be milliseconds or an ISO date" });
  return new Date(ms);
});
const period = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms === null) context.addIssue({ code: "custom", message: "must be a duration such as 1h, 7d" });
  return ms ?? 0;
});
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** Query of `GET /api/v1/runs`; `filter[env]` only means something to the project's list. */
export const ListRunsQuery = z
  .object({
    "filter[env]": list.optional(),
    "filter[status]": statuses.optional(),
    "filter[taskIdentifier]": list.optional(),
    "filter[version]": list.optional(),
    "filter[tag]": list.optional(),
    "filter[queue]": list.optional(),
    "filter[machine]": list.optional(),
    "filter[region]": list.optional(),
    "filter[batch]": id("batch").optional(),
    "filter[schedule]": id("sched").optional(),
    "filter[bulkAction]": z.undefined({ error: "bulk actions are not supported by this server yet" }).optional(),
    "filter[isTest]": flag.optional(),
    "filter[rootRunsOnly]": flag.optional(),
    "filter[createdAt][from]": instant.optional(),
    "filter[createdAt][to]": instant.optional(),
    "filter[createdAt][period]": period.optional(),
    "page[size]": z.coerce.number().int().min(1, "must be 1 to 100").max(100, "must be 1 to 100").default(25),
    "page[after]": id("run").optional(),
    "page[before]": id("run").optional(),
  })
  .refine((query) => query["page[after]"] === undefined || query["page[before]"] === undefined, {
    message: "cannot be combined with page[before]",
    path: ["page[after]"],
  });

export type ListRunsQuery = z.output<typeof ListRunsQuery>;
