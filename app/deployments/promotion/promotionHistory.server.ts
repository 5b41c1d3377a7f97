/** What an environment's pointer has pointed to. */
import { loadScript } from "../../platform/scripts.server";
import type { Queryable } from "../ports";
import type { MoveKind } from "./swap.server";

const HISTORY_SQL = loadScript("deployments/promotion/sql/promotion-history.sql");

export type PromotionEvent = {
  /** From 1; one more for each promotion, rollback and confirmation. */
  generation: number;
  kind: MoveKind;
  fromId: string | null;
  fromVersion: string | null;
  toId: string;
  toVersion: string | null;
  toShortCode: string | null;
  /** `user:<id>`, `key:<environment>` or `system:deploy`. */
  actor: string;
  at: Date;
};

/** Newest first. `deploymentId`: only moves from or to that one. */
export async function promotionHistory(
  db: Queryable,
  filter: { envId: string; deploymentId?: string; limit: number }
): Promise<PromotionEvent[]> {
  const { rows } = await db.query<PromotionEvent>(HISTORY_SQL, [filter.envId, filter.deploymentId ?? null, filter.limit]);
  return rows;
}
