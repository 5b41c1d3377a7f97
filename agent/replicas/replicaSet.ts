/** All replicas of the agent, found by what a call or a message knows of them. */
import type { Machine, Replica } from "./replica";

export class ReplicaSet {
  private readonly replicas = new Set<Replica>();
  private readonly secrets = new Map<string, Replica>();

  add(replica: Replica): void {
    this.replicas.add(replica);
    this.secrets.set(replica.secret, replica);
  }

  remove(replica: Replica): void {
    this.replicas.delete(replica);
    this.secrets.delete(replica.secret);
  }

  /** The replica that presents `secret`, or undefined for anybody else. */
  bySecret(secret: string | string[] | undefined): Replica | undefined {
    return typeof secret === "string" ? this.secrets.get(secret) : undefined;
  }

  /** The replica that has this run. */
  byRun(runId: string): Replica | undefined {
    for (const replica of this.replicas) if (replica.run?.runId === runId) return replica;
    return undefined;
  }

  all(): Replica[] {
    return [...this.replicas];
  }

  of(deploymentId: string): Replica[] {
    return this.all().filter((replica) => replica.version.id === deploymentId);
  }

  /** Processes that take a slot. */
  get size(): number {
    return this.replicas.size;
  }

  /** Those of a version that could take a run on `machine` now or soon. */
  usable(deploymentId: string, machine: Machine): Replica[] {
    return this.of(deploymentId).filter(
      (replica) => !replica.draining && replica.phase !== "gone" && replica.machine.name === machine.name
    );
  }
}
