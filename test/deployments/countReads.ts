/** How much a reading asks of Postgres: statements, and rows that their plans scanned. */
import type { Pool } from "../../app/platform/db.server";

type Plan = { "Relation Name"?: string; "Actual Rows"?: number; "Actual Loops"?: number; Plans?: Plan[] };
type Statement = { text: string; values: unknown[] };

export type CountedReads = {
  /** The pool, as the code under test gets it. */
  pool: Pool;
  readonly statements: number;
  /** Runs every counted statement again under EXPLAIN ANALYZE: the most rows that one of them scanned of a table. */
  mostRowsScanned(table: string): Promise<number>;
};

/** Passes every query on to `pool` and remembers it. */
export function countReads(pool: Pool): CountedReads {
  const seen: Statement[] = [];
  const counted = new Proxy(pool, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (key !== "query") return typeof value === "function" ? value.bind(target) : value;
      return (text: string, values: unknown[] = []) => {
        seen.push({ text, values });
        return target.query(text, values);
      };
    },
  });
  return {
    pool: counted,
    get statements() {
      return seen.length;
    },
    async mostRowsScanned(table) {
      let most = 0;
      for (const { text, values } of seen) {
        const { rows } = await pool.query<{ "QUERY PLAN": { Plan: Plan }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
        const plan = rows[0]?.["QUERY PLAN"][0]?.Plan;
        most = Math.max(most, plan ? scanned(plan, table) : 0);
      }
      return most;
    },
  };
}

function scanned(plan: Plan, table: string): number {
  const own = plan["Relation Name"] === table ? (plan["Actual Rows"] ?? 0) * (plan["Actual Loops"] ?? 1) : 0;
  return own + (plan.Plans ?? []).reduce((sum, child) => sum + scanned(child, table), 0);
}
