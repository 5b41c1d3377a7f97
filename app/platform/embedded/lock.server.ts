/** One server a data directory: a pid file that tells a live owner from one that was killed, even when its pid was reused. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isRunning, processStamp } from "./processes.server";

const LOCK_FILE = "server.pid";
const ATTEMPTS = 10;

type Owner = { pid: number; stamp: string };

/** Another server runs on this data directory. */
export class DirectoryInUseError extends Error {
  override readonly name = "DirectoryInUseError";
  constructor(
    readonly dataDir: string,
    readonly pid: number
  ) {
    super(
      `Sluice is already running on ${dataDir} (pid ${pid}). Stop it first (kill ${pid}), or choose another folder with SLUICE_DATA_DIR.`
    );
  }
}

/** Takes the directory for this process and returns how to give it back. Throws `DirectoryInUseError`. */
export function lockDirectory(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const file = path.join(dataDir, LOCK_FILE);
  const mine = `${file}.${process.pid}`;
  const content = JSON.stringify({ pid: process.pid, stamp: processStamp(process.pid) } satisfies Owner);
  writeFileSync(mine, content, { mode: 0o644 });
  try {
    take(file, mine, dataDir);
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    if (readText(file) === content) rmSync(file, { force: true });
  };
}

/** Linking a complete file is atomic, so a reader never sees a half-written owner. */
function take(file: string, mine: string, dataDir: string): void {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      linkSync(mine, file);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readOwner(file);
    if (owner && isAlive(owner)) throw new DirectoryInUseError(dataDir, owner.pid);
    rmSync(file, { force: true });
  }
  throw new Error(`The lock ${file} could not be taken: other processes keep taking and leaving it. Try again.`);
}

function isAlive(owner: Owner): boolean {
  return owner.pid !== process.pid && isRunning(owner.pid) && processStamp(owner.pid) === owner.stamp;
}

function readOwner(file: string): Owner | null {
  try {
    const owner = JSON.parse(readText(file) ?? "") as Partial<Owner>;
    return typeof owner.pid === "number" && typeof owner.stamp === "string" ? { pid: owner.pid, stamp: owner.stamp } : null;
  } catch {
    return null;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
