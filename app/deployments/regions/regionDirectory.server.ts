/** Regions and their agents as people see them, and new regions. */
import { z } from "zod";
import { AGENT_SILENCE_MS } from "../../../agent/protocol";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { loadScript } from "../../platform/scripts.server";
import { AppError } from "../../utils/appError";
import { mintId } from "../../utils/ids";

const LIST_SQL = loadScript("deployments/regions/sql/regions.sql");
const INSERT_SQL = "INSERT INTO region (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
const BY_NAME_SQL = "SELECT id, name FROM region WHERE name = $1";
const SETTINGS_SQL =
  "SELECT s.region_id, r.name AS region, s.replicas FROM regional_setting s JOIN region r ON r.id = s.region_id WHERE s.environment_id = $1 ORDER BY r.name";
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

const shownCapabilities = z.object({
  platform: z.string().optional(),
  arch: z.string().optional(),
  node: z.string().optional(),
  nodeAbi: z.string().optional(),
  isolation: z.string().optional(),
  isolationNote: z.string().nullish(),
  roles: z.array(z.string()).default([]),
  memoryMb: z.number().optional(),
});

const shownAgent = z.object({
  id: z.string(),
  instanceName: z.string(),
  capabilities: shownCapabilities,
  slots: z.number(),
  lastSeenAt: z.coerce.date(),
  /** Replicas that it is to keep. */
  replicas: z.number(),
  /** Processes that it reported and that have not ended. */
  instances: z.number(),
});
export type ShownAgent = z.output<typeof shownAgent> & { connected: boolean };

export type ShownRegion = {
  id: string;
  name: string;
  canSchedule: boolean;
  createdAt: Date;
  /** Agents heard of within the last 30 s. */
  connected: number;
  agents: ShownAgent[];
};

/** Replicas that an environment wants in a region. `replicas` is what the table holds: validate it before use. */
export type RegionSetting = { regionId: string; region: string; replicas: number };

type RegionRow = { id: string; name: string; can_schedule: boolean; created_at: Date; connected: number; agents: unknown };

export class RegionDirectory {
  constructor(private readonly deps: { pool: Pool; clock: Clock }) {}

  /** By name, each with its agents. */
  async list(): Promise<ShownRegion[]> {
    const freshSince = this.deps.clock.now() - AGENT_SILENCE_MS;
    const { rows } = await this.deps.pool.query<RegionRow>(LIST_SQL, [new Date(freshSince)]);
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      canSchedule: row.can_schedule,
      createdAt: row.created_at,
      connected: row.connected,
      agents: z
        .array(shownAgent)
        .parse(row.agents)
        .map((agent) => ({ ...agent, connected: agent.lastSeenAt.getTime() >= freshSince })),
    }));
  }

  /** The region of this name; a new one when there is none. Throws 400 for a name that is no DNS label. */
  async ensure(name: string): Promise<{ id: string; name: string }> {
    if (!NAME.test(name)) {
      throw new AppError(
        "invalid_region",
        400,
        `Region names have 1 to 63 lower-case letters, digits and dashes, not ${JSON.stringify(name.slice(0, 80))}.`
      );
    }
    const now = this.deps.clock.now();
    await this.deps.pool.query(INSERT_SQL, [mintId(now), name, new Date(now)]);
    const { rows } = await this.deps.pool.query<{ id: string; name: string }>(BY_NAME_SQL, [name]);
    const [row] = rows;
    if (!row) throw new Error(`Region ${name} vanished while it was made.`);
    return row;
  }

  /** Where an environment wants its versions to run, by name; empty when nothing is configured. */
  async settingsOf(envId: string): Promise<RegionSetting[]> {
    const { rows } = await this.deps.pool.query<{ region_id: string; region: string; replicas: number }>(SETTINGS_SQL, [envId]);
    return rows.map((row) => ({ regionId: row.region_id, region: row.region, replicas: row.replicas }));
  }
}
