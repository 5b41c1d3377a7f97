/** The one row that says which process is the deployer. Times are the database's, so clocks of machines need not agree. */
import type { Pool } from "../../../platform/db.server";
import { loadScript } from "../../../platform/scripts.server";

const BEAT_SQL = loadScript("deployments/workflow/deployer/sql/lease-beat.sql");
const RELEASE_SQL = "UPDATE deployer_lease SET lease_until = '-infinity' WHERE name = 'deployer' AND holder = $1 AND epoch = $2";

/** `working`: deployments are on their way. */
export type Lease = { epoch: number; working: boolean };

export class DeployerLease {
  constructor(private readonly options: { pool: Pool; holder: string; leaseMs: number }) {}

  /** Keeps `epoch`, or takes the lease when it is free. Null while another process has it. Taking it fences the one before. */
  async beat(epoch: number | null): Promise<Lease | null> {
    const { pool, holder, leaseMs } = this.options;
    const { rows } = await pool.query<Lease>(BEAT_SQL, [holder, epoch, leaseMs]);
    return rows[0] ?? null;
  }

  /** Lets another process take it at once. */
  async release(epoch: number): Promise<void> {
    await this.options.pool.query(RELEASE_SQL, [this.options.holder, epoch]);
  }
}
