/** Starts the processes of replicas: command, variables, user, limits, output. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { asUser, homeOf, type IsolationLevel, type LaunchCommand, type Variables } from "../isolation/isolation";
import type { DesiredDeployment } from "../protocol";
import type { PreparedRelease } from "../releases/cache";
import type { DequeuedMessage } from "../server/messages";
import { MARKER, startTimeOf } from "./proc";
import type { ReplicaRecords } from "./records";
import type { Machine, Replica } from "./replica";
import { programFor, type Program, type Runtimes } from "./runtimes";

export type LauncherOptions = {
  instanceName: string;
  workloadPort(): number;
  isolation: IsolationLevel;
  uidOf(environmentId: string): number;
  homes: string;
  runtimes: Runtimes;
  records: ReplicaRecords;
  now(): number;
};

export type LaunchInput = {
  version: DesiredDeployment;
  machine: Machine;
  release: PreparedRelease;
  resident: boolean;
  restarts: number;
  /** Present for a cold start: the process begins with this run. */
  run?: DequeuedMessage;
  onExit(replica: Replica, text: string): void;
};

export class Launcher {
  constructor(private readonly options: LauncherOptions) {}

  /** Group that may read a version's release; null at L0. */
  gidOf(environmentId: string): number | null {
    return this.options.isolation.level === "L0" ? null : this.options.uidOf(environmentId);
  }

  /** Variables that the process of the task gets besides the server's: the marker, and a HOME of its own above L0. */
  taskVariables(replica: Replica): Record<string, string> {
    const { isolation, uidOf, homes } = this.options;
    const home = isolation.level === "L0" ? {} : homeOf(homes, uidOf(replica.version.environmentId));
    return { ...home, [MARKER]: replica.name };
  }

  /** Spawns. Throws when the process could not be created. */
  launch(input: LaunchInput): Replica {
    const { records, now } = this.options;
    const name = `r-${randomBytes(6).toString("hex")}`;
    const secret = `runner_${randomBytes(16).toString("hex")}`;
    const command = this.commandFor(name, secret, input);
    const output = records.openLog(name);
    const child = spawn(command.command, command.args, {
      cwd: input.release.dir,
      env: command.env,
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    const replica: Replica = {
      name,
      secret,
      version: input.version,
      machine: input.machine,
      releaseKey: input.release.key,
      pid: child.pid ?? 0,
      startTime: child.pid ? (startTimeOf(child.pid) ?? "") : "",
      phase: "starting",
      resident: input.resident,
      draining: false,
      run: null,
      restarts: input.restarts,
      startedAt: now(),
      idleSince: now(),
    };
    child.unref();
    child.once("error", (error) => input.onExit(replica, error.message));
    child.once("exit", (code, signal) => input.onExit(replica, `ended with ${signal ?? `status ${code}`}`));
    return replica;
  }

  /** Removes what `launch` made besides the process. */
  cleanUp(replica: Replica): void {
    this.options.isolation.cgroups?.remove(replica.name);
  }

  private commandFor(name: string, secret: string, input: LaunchInput): LaunchCommand {
    const { isolation, uidOf, homes } = this.options;
    const program = programFor(input.version.runtime, this.options.runtimes);
    const plain: LaunchCommand = {
      command: program.command,
      args: [...program.flags, input.release.controllerEntryPoint],
      env: this.variables(name, secret, { ...input, program }),
    };
    const user = isolation.level === "L0" ? plain : asUser(uidOf(input.version.environmentId), plain, homes);
    if (!isolation.cgroups) return user;
    isolation.cgroups.create(name, input.machine);
    return isolation.cgroups.inside(name, user);
  }

  /** Everything that the controller reads, and nothing but PATH of the agent's own environment. */
  private variables(name: string, secret: string, input: LaunchInput & { program: Program }): Variables {
    const { version, machine, run, program } = input;
    const port = String(this.options.workloadPort());
    const now = String(this.options.now());
    return {
      ...program.env,
      PATH: [...program.folders, process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin"].join(":"),
      NODE_ENV: "production",
      TRIGGER_CONTENT_HASH: version.contentHash,
      TRIGGER_PROJECT_ID: version.projectId,
      TRIGGER_PROJECT_REF: version.projectRef,
      TRIGGER_DEPLOYMENT_ID: version.friendlyId,
      TRIGGER_DEPLOYMENT_FRIENDLY_ID: version.friendlyId,
      TRIGGER_DEPLOYMENT_VERSION: version.version,
      TRIGGER_ENV_ID: version.environmentId,
      OTEL_EXPORTER_OTLP_ENDPOINT: version.otlpEndpoint,
      TRIGGER_RUNNER_ID: secret,
      // The only identity that a warm-start poll carries.
      TRIGGER_WORKLOAD_CONTROLLER_ID: secret,
      TRIGGER_WORKER_INSTANCE_NAME: this.options.instanceName,
      TRIGGER_SUPERVISOR_API_PROTOCOL: "http",
      TRIGGER_SUPERVISOR_API_DOMAIN: "127.0.0.1",
      TRIGGER_SUPERVISOR_API_PORT: port,
      TRIGGER_WARM_START_URL: `http://127.0.0.1:${port}`,
      TRIGGER_MACHINE_CPU: String(machine.cpu),
      TRIGGER_MACHINE_MEMORY: String(machine.memory),
      TRIGGER_POD_SCHEDULED_AT_MS: now,
      TRIGGER_DEQUEUED_AT_MS: run ? String(Date.parse(run.dequeuedAt) || now) : now,
      UV_USE_IO_URING: "0",
      [MARKER]: name,
      ...(run ? { TRIGGER_RUN_ID: run.run.friendlyId, TRIGGER_SNAPSHOT_ID: run.snapshot.friendlyId } : {}),
    };
  }
}
