/** Query of `GET /api/v1/deployments`. Names what is wrong with a period instead of ignoring it. */
import { z } from "zod";
import { AppError } from "../../utils/appError";
import { parseFriendlyId } from "../../utils/ids";
import type { DeploymentFilter } from "./reads.server";
import { statusesOfFilter } from "./views";

export const listDeploymentsQuery = z.object({
  "page[size]": z.coerce.number().int().min(1).max(100).default(20),
  "page[after]": z.string().max(64).optional(),
  status: z.enum(["PENDING", "INSTALLING", "BUILDING", "DEPLOYING", "DEPLOYED", "FAILED", "CANCELED", "TIMED_OUT"]).optional(),
  period: z.string().max(64).optional(),
  from: z.string().max(64).optional(),
  to: z.string().max(64).optional(),
});
export type ListDeploymentsQuery = z.output<typeof listDeploymentsQuery>;

const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** As the service that the SDK was written for: smaller pages are raised. */
const MIN_PAGE = 5;

/** One row more than a page, so that the caller knows whether there is a next one. Throws 400 for what cannot be read. */
export function filterOf(query: ListDeploymentsQuery, nowMs: number): DeploymentFilter & { pageSize: number } {
  const pageSize = Math.max(MIN_PAGE, query["page[size]"]);
  return {
    pageSize,
    limit: pageSize + 1,
    statuses: query.status ? statusesOfFilter(query.status) : null,
    after: cursorOf(query["page[after]"]),
    from: query.period === undefined ? dateOf("from", query.from) : new Date(nowMs - periodMs(query.period)),
    to: query.period === undefined ? dateOf("to", query.to) : null,
  };
}

function periodMs(period: string): number {
  const match = /^(\d{1,6})(s|m|h|d|w)$/.exec(period.trim());
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ""] ?? Number.NaN);
  if (ms > 0) return ms;
  throw new AppError("invalid_period", 400, `Invalid search query parameter: period=${period}`);
}

/** A date in ISO 8601, or epoch milliseconds. */
function dateOf(name: "from" | "to", text: string | undefined): Date | null {
  if (text === undefined) return null;
  const date = new Date(/^\d{10,14}$/.test(text) ? Number(text) : text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new AppError("invalid_date", 400, `Invalid search query parameter: ${name}=${text}`);
}

function cursorOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const id = parseFriendlyId("deployment", text);
  if (id !== null) return id;
  throw new AppError("invalid_cursor", 400, `Invalid search query parameter: page[after]=${text}`);
}
