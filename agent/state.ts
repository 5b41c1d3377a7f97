/** What an agent remembers in its data directory: its name, its port, the users of environments; and that it is the only one there. */
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { readJson, writeJson } from "./files";
import { defaultName } from "./options";
import { isAlive, startTimeOf } from "./replicas/proc";

const stateSchema = z.object({
  instanceName: z.string(),
  /** Port of the workload server: processes that outlive an agent find the next one there. */
  workloadPort: z.number().int().nullable(),
  /** Uid by environment; never given to another one. */
  uids: z.record(z.string(), z.number().int()),
});
type State = z.output<typeof stateSchema>;

/** Above every range that distributions and systemd hand out, below the sign bit. */
const FIRST_UID = 1_900_000_000;
/** Users of one agent. Agents of one machine must not share any: each ends all processes of a user when a build of it ends. */
const UIDS_PER_AGENT = 1_000;
const UID_BLOCKS = 200_000;

/** First uid of the agent with this data directory. */
function firstUid(dataDir: string): number {
  const block = createHash("sha256").update(path.resolve(dataDir)).digest().readUInt32BE(0) % UID_BLOCKS;
  return FIRST_UID + block * UIDS_PER_AGENT;
}

export class AgentState {
  private readonly file: string;
  private readonly state: State;

  /** Reads the state, or begins one. `name`: from the command line; it wins. */
  constructor(
    readonly dataDir: string,
    name: string | null
  ) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    // Users of environments pass through to releases and homes; what is private has a mode of its own.
    chmodSync(dataDir, 0o711);
    this.file = path.join(dataDir, "state.json");
    const found = stateSchema.safeParse(readJson(this.file));
    this.state = found.success ? found.data : { instanceName: defaultName(randomBytes(3).toString("hex")), workloadPort: null, uids: {} };
    if (name) this.state.instanceName = name;
    this.save();
  }

  get instanceName(): string {
    return this.state.instanceName;
  }

  get workloadPort(): number | null {
    return this.state.workloadPort;
  }

  rememberPort(port: number): void {
    if (this.state.workloadPort === port) return;
    this.state.workloadPort = port;
    this.save();
  }

  /** The user of an environment's processes; the same for ever. */
  uidOf(environmentId: string): number {
    const known = this.state.uids[environmentId];
    if (known !== undefined) return known;
    const uid = Math.max(firstUid(this.dataDir) - 1, ...Object.values(this.state.uids)) + 1;
    this.state.uids[environmentId] = uid;
    this.save();
    return uid;
  }

  private save(): void {
    writeJson(this.file, this.state, true);
  }
}

const ownerSchema = z.object({ pid: z.number().int(), startTime: z.string() });

/** Takes the data directory, waiting up to `waitMs` for an agent that is just ending. Returns the release; throws when it stays taken. */
export async function lockDataDir(dataDir: string, waitMs: number): Promise<() => void> {
  const file = path.join(dataDir, "agent.pid");
  const deadline = Date.now() + waitMs;
  for (;;) {
    const owner = ownerSchema.safeParse(readJson(file));
    if (!owner.success || owner.data.pid === process.pid || !isAlive(owner.data.pid, owner.data.startTime)) break;
    if (Date.now() > deadline)
      throw new Error(`An agent (pid ${owner.data.pid}) already works in ${dataDir}. Stop it, or give this one another --data-dir.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  writeJson(file, { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" });
  return () => rmSync(file, { force: true });
}
