/** The Prisma client of the control plane, on the same pool as everything else. Cold reads and writes only. */
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "../../prisma/generated/control-plane/client";
import type { Pool } from "../platform/db.server";

export type ControlPlaneClient = PrismaClient;

/** Milliseconds; Prisma's own 2 and 5 seconds end the import of many variables on a busy machine. */
const TRANSACTION_LIMITS = { maxWait: 10_000, timeout: 30_000 };

/** Owns no connection: ending the pool ends it. */
export function createControlPlaneClient(pool: Pool): ControlPlaneClient {
  return new PrismaClient({ adapter: new PrismaPg(pool), transactionOptions: TRANSACTION_LIMITS });
}

const UNIQUE_VIOLATION = "P2002";

/** True when a write lost to a row that is already there. */
export function uniqueViolation(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === UNIQUE_VIOLATION;
}
