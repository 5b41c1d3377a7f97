/**
 * Ends of attempts on their way to the server. The process that reports one tries for 7.5 s only; here it is on disk
 * before it is answered without the server, and is offered until the server says yes or a final no, over restarts too.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { errorMessage, type Logger } from "../../app/platform/logger";
import { readJson, writeDurably } from "../files";
import type { HttpAnswer } from "../server/http";

/**
 * The server's answer usually comes sooner, and then nothing has to be written. A crash of the agent before it is as a lost
 * connection to the process, which reports again; milliseconds.
 */
const SPOOL_AFTER_MS = 50;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
/** Above this a completion is a day old: its run was ended by the server's own rules long ago. */
const MAX_AGE_MS = 24 * 60 * 60 * 1_000;

const spooledSchema = z.object({
  runId: z.string(),
  snapshotId: z.string(),
  environmentId: z.string(),
  /** Name of the replica. */
  runner: z.string(),
  /** Body of `attempts/complete` as it is sent. */
  body: z.string(),
  at: z.number(),
});
export type Spooled = z.output<typeof spooledSchema>;

export type SpoolOptions = {
  dir: string;
  log: Logger;
  now(): number;
  /** One try. Rejects when there is no answer. */
  send(item: Spooled): Promise<HttpAnswer>;
};

export class Spool {
  private readonly pending = new Map<string, NodeJS.Timeout>();
  private stopped = false;

  constructor(private readonly options: SpoolOptions) {
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  /** Offers what an earlier agent left. */
  start(): void {
    for (const name of readdirSync(this.options.dir)) {
      const parsed = name.endsWith(".json") ? spooledSchema.safeParse(readJson(path.join(this.options.dir, name))) : null;
      if (parsed?.success) this.later(parsed.data, 0, 0);
      else rmSync(path.join(this.options.dir, name), { force: true });
    }
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.pending.values()) clearTimeout(timer);
    this.pending.clear();
  }

  /** Completions that the server has not decided about. */
  get size(): number {
    return readdirSync(this.options.dir).filter((name) => name.endsWith(".json")).length;
  }

  /** True while a completion of this attempt waits. */
  has(runId: string, snapshotId: string): boolean {
    return this.pending.has(keyOf({ runId, snapshotId }));
  }

  /**
   * Tries at once, and spools when that takes longer than usual. Resolves with the server's answer when it comes within
   * `waitMs`; else with null, when the disk has the item and this object goes on trying.
   */
  async deliver(item: Spooled, waitMs: number): Promise<HttpAnswer | null> {
    const sent = this.attempt(item);
    const early = await Promise.race([sent, after(SPOOL_AFTER_MS)]);
    if (early && isFinal(early)) {
      // An earlier report of the same attempt may wait on disk: it is decided with this one.
      if (this.has(item.runId, item.snapshotId)) this.drop(item);
      return early;
    }
    const saved = writeDurably(this.fileOf(item), JSON.stringify(item));
    const first = await Promise.race([sent, after(waitMs)]);
    await saved;
    if (first && isFinal(first)) {
      this.drop(item);
      return first;
    }
    void sent.then((late) => (late && isFinal(late) ? this.drop(item) : this.later(item, RETRY_MIN_MS, 0)));
    return null;
  }

  /** Spools without waiting for an answer. */
  async enqueue(item: Spooled): Promise<void> {
    await writeDurably(this.fileOf(item), JSON.stringify(item));
    this.later(item, 0, 0);
  }

  private later(item: Spooled, delayMs: number, tries: number): void {
    if (this.stopped) return;
    const key = keyOf(item);
    clearTimeout(this.pending.get(key));
    const timer = setTimeout(() => {
      void this.attempt(item).then((answer) => {
        if (answer && isFinal(answer)) this.drop(item);
        else if (this.options.now() - item.at > MAX_AGE_MS) this.drop(item);
        else this.later(item, Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(tries, 10)), tries + 1);
      });
    }, delayMs);
    this.pending.set(key, timer);
  }

  /** Null when there was no answer. */
  private async attempt(item: Spooled): Promise<HttpAnswer | null> {
    try {
      const answer = await this.options.send(item);
      if (isFinal(answer) && answer.status >= 400)
        this.options.log.warn("completion.refused", {
          runId: item.runId,
          status: answer.status,
          said: answer.body.toString("utf8", 0, 300),
        });
      return answer;
    } catch (error) {
      this.options.log.warn("completion.unanswered", { runId: item.runId, message: errorMessage(error) });
      return null;
    }
  }

  private drop(item: Spooled): void {
    clearTimeout(this.pending.get(keyOf(item)));
    this.pending.delete(keyOf(item));
    rmSync(this.fileOf(item), { force: true });
  }

  private fileOf(item: Spooled): string {
    return path.join(this.options.dir, `${keyOf(item)}.json`);
  }
}

/** The server decided: yes, or a no that more tries do not change. 401 and 403 may be a token that is being replaced. */
export function isFinal({ status, headers }: HttpAnswer): boolean {
  if (headers["x-should-retry"] === "false") return true;
  if (headers["x-should-retry"] === "true") return false;
  return status < 500 && ![0, 401, 403, 408, 409, 425, 429].includes(status);
}

function keyOf({ runId, snapshotId }: Pick<Spooled, "runId" | "snapshotId">): string {
  return `${runId}.${snapshotId}`.replace(/[^A-Za-z0-9_.-]/g, "");
}

function after(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, ms, null));
}
