/** Fetches a release: resumed where a connection was cut, checked against its digest, thrown away and fetched again when it is damaged. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, rmSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";

/** Where bytes come from. `open` answers 200 with the whole or 206 from `offset`. */
export type ReleaseSource = { openRelease(digest: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> };

export class DamagedRelease extends Error {
  constructor(digest: string, attempts: number) {
    super(`Release ${digest} arrived damaged ${attempts} times: its bytes do not have its digest.`);
    this.name = "DamagedRelease";
  }
}

const DAMAGED_ATTEMPTS = 3;
const CUT_ATTEMPTS = 10;
const STALL_MS = 60_000;
const RETRY_MS = 500;

export type DownloadInput = {
  source: ReleaseSource;
  /** `sha256:<hex>`. */
  digest: string;
  /** Where it goes; a part of an earlier attempt is continued. */
  file: string;
  signal: AbortSignal;
  /** Heard before each new attempt. */
  onRetry?: (reason: string) => void;
};

/** Resolves when `file` has the digest. Throws `DamagedRelease` after the third damaged copy, the last error after ten cut connections, or the server's refusal. */
export async function download(input: DownloadInput): Promise<void> {
  for (let attempt = 1; attempt <= DAMAGED_ATTEMPTS; attempt++) {
    await fetchWhole(input);
    if ((await digestOf(input.file)) === input.digest) return;
    rmSync(input.file, { force: true });
    input.onRetry?.(`copy ${attempt} of ${input.digest} was damaged`);
  }
  throw new DamagedRelease(input.digest, DAMAGED_ATTEMPTS);
}

/** `sha256:<hex>` of a file. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

async function fetchWhole(input: DownloadInput): Promise<void> {
  for (let cut = 1; ; cut++) {
    try {
      await fetchRest(input);
      return;
    } catch (error) {
      const refused = error instanceof Error && error.name === "ServerRefusal" && !isTransient(error);
      // 416: the part on disk is as long as the release, or longer; its digest decides.
      if (refused && statusOf(error) === 416) return;
      if (refused || cut >= CUT_ATTEMPTS || input.signal.aborted) throw error;
      input.onRetry?.(error instanceof Error ? error.message : String(error));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * cut));
    }
  }
}

async function fetchRest({ source, digest, file, signal }: DownloadInput): Promise<void> {
  const have = existsSync(file) ? statSync(file).size : 0;
  const answer = await source.openRelease(digest, have, signal);
  answer.setTimeout(STALL_MS, () => answer.destroy(new Error(`No bytes of ${digest} for ${STALL_MS} ms.`)));
  // A server that ignores ranges sends the whole: write from the beginning.
  const flags = answer.statusCode === 206 ? "a" : "w";
  await pipeline(answer, createWriteStream(file, { flags, mode: 0o600 }), { signal });
}

function statusOf(error: unknown): number {
  return typeof error === "object" && error !== null && "status" in error && typeof error.status === "number" ? error.status : 0;
}

function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  return status === 0 || status === 408 || status === 429 || status >= 500;
}
