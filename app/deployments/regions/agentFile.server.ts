/** `agent.json`: how the agent on the server's own machine finds it. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { agentFileSchema, type AgentFile } from "../../../agent/protocol";
import type { AgentAuthenticator } from "../../auth/types";
import type { Clock } from "../../platform/clock";
import type { Pool } from "../../platform/db.server";
import { createAgentAccess } from "./agentAccess.server";
import { AgentTokens } from "./agentTokens.server";

/** The region that every installation has, made with its tables. */
const LOCAL_REGION = { id: "local", name: "local" } as const;

export type AgentFileInput = {
  pool: Pool;
  clock: Clock;
  /** Usually `<data dir>/agent.json`. */
  file: string;
  /** Address of the server as seen from this machine. */
  url: string;
};

/** Keeps the token of a file that still works; a lost, foreign or revoked one gets a new token. Mode 0600. */
export async function ensureAgentFile(input: AgentFileInput): Promise<AgentFile> {
  const before = await read(input.file);
  const usable = before !== null && (await isGood(createAgentAccess(input), before));
  const token = usable ? before.token : (await new AgentTokens(input).create(LOCAL_REGION.id)).token;
  const content: AgentFile = { url: input.url, token, region: LOCAL_REGION.name };
  await write(input.file, `${JSON.stringify(content, null, 2)}\n`);
  return content;
}

async function read(file: string): Promise<AgentFile | null> {
  try {
    return agentFileSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return null;
  }
}

async function isGood(access: AgentAuthenticator, { token }: AgentFile): Promise<boolean> {
  const headers = new Headers({ authorization: `Bearer ${token}`, "x-trigger-worker-instance-name": "agent.json" });
  return access.authenticate(headers).then(
    (caller) => caller.region.id === LOCAL_REGION.id,
    () => false
  );
}

/** Readers see the old file or the new one, never half of one. */
async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
