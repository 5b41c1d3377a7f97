/** After a crash of the agent: what it left running goes on under the next one, or is ended. */
import type { Logger } from "../app/platform/logger";
import { isAlive, killAll, markedReplicas, processesOf } from "./replicas/proc";
import type { ReplicaRecord, ReplicaRecords } from "./replicas/records";
import type { Runs } from "./replicas/runs";
import type { Supervisor } from "./replicas/supervisor";

export type AdoptionOptions = {
  records: ReplicaRecords;
  supervisor: Supervisor;
  runs: Runs;
  /** The port that recorded processes call; they cannot be reached on another. */
  samePort: boolean;
  log: Logger;
};

/** Adopts live processes, and ends what is left of the others; their runs are reported as lost. Resolves with how many were adopted. */
export async function adoptReplicas(options: AdoptionOptions): Promise<number> {
  const { records, supervisor, log } = options;
  const { records: found, damaged } = records.load();
  let adopted = 0;
  for (const record of found) {
    if (options.samePort && isOurs(record)) {
      supervisor.adopt(record);
      adopted++;
    } else await endLeftovers(record, options);
  }
  for (const name of damaged) {
    await killAll(name, null);
    records.remove(name);
  }
  if (found.length + damaged.length > 0) log.info("replicas.adopted", { adopted, ended: found.length - adopted + damaged.length });
  return adopted;
}

/** The pid lives, it is the same process, and it carries the marker: three reasons not to mistake a stranger for a replica. */
function isOurs(record: ReplicaRecord): boolean {
  return (
    isAlive(record.pid, record.startTime) && (markedReplicas().has(record.name) || processesOf(record.name, null).includes(record.pid))
  );
}

async function endLeftovers(record: ReplicaRecord, { records, supervisor, runs, log }: AdoptionOptions): Promise<void> {
  const alive = isAlive(record.pid, record.startTime);
  const left = await killAll(record.name, alive ? record.pid : null);
  if (left.length > 0) log.error("replica.orphans", { replica: record.name, pids: left.join(" ") });
  const replica = supervisor.adopt(record);
  supervisor.forget(replica);
  await runs.lost(replica, "it ended while no agent watched");
  records.remove(record.name);
}
