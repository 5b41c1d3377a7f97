/** Removes what a deployment that did not become ready has built. */
import { inTransaction, type Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import type { BuildOutput } from "../workflow/ports";
import type { Releases } from "./releases.server";

const FORGET_SQL = loadScript("deployments/releases/sql/release-forget.sql");
const DELETE_SQL = "DELETE FROM release WHERE digest = $1";
const USED_SQL = "SELECT 1 FROM deployment WHERE release_digest = $1 LIMIT 1";

/** The compensation of building; a release that any other deployment has stays. */
export function createBuildOutput({ pool, releases }: { pool: Pool; releases: Releases }): BuildOutput {
  return {
    discard: (deploymentId) =>
      inTransaction(pool, async (tx) => {
        const { rows } = await tx.query<{ digest: string }>(FORGET_SQL, [deploymentId]);
        const digest = rows[0]?.digest;
        // The row's lock holds off a build that is about to name the same bytes; it finds no row then, and uploads them again.
        if (digest === undefined || !(await releases.lock(tx, digest))) return;
        const { rowCount } = await tx.query(USED_SQL, [digest]);
        if (rowCount) return;
        await releases.removeBytes(digest);
        await tx.query(DELETE_SQL, [digest]);
      }),
  };
}
