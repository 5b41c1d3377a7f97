/** Lines of a build on their way to the server: masked, in batches, in order, and never so many that they stop the build. */
import { StringDecoder } from "node:string_decoder";
import { MAX_LOG_LINE_CHARS, MAX_LOG_LINES, type BuildLogLevel, type BuildLogLine } from "../protocol";
import type { Mask } from "./mask";
import { plainLines } from "./terminal";

const SEND_EVERY_MS = 150;
/** Lines of one build; a page with more helps nobody. */
const MAX_LINES = 20_000;
/** Output without a line break is cut here. */
const MAX_PENDING_CHARS = 64 * 1024;

export type BuildLogOptions = {
  mask: Mask;
  /** Rejects for good when the lines cannot be delivered; they are dropped then. */
  send(lines: BuildLogLine[]): Promise<void>;
  maxLines?: number;
};

export class BuildLog {
  private queue: BuildLogLine[] = [];
  private accepted = 0;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();

  constructor(private readonly options: BuildLogOptions) {}

  /** One message; line breaks in it make lines. */
  write(level: BuildLogLevel, text: string): void {
    for (const line of this.options.mask(text).split(/\r?\n/)) if (line.trim() !== "") this.push(level, line);
  }

  /** A receiver of output of a process: whole lines are written, the rest when `end` is called. */
  stream(level: BuildLogLevel): { write(chunk: Buffer): void; end(): void } {
    const decoder = new StringDecoder("utf8");
    let pending = "";
    const flush = (text: string) => {
      pending += text;
      const last = pending.lastIndexOf("\n");
      const end = last >= 0 ? last + 1 : pending.length > MAX_PENDING_CHARS ? pending.length : 0;
      // Whole lines are masked together: a secret may have more than one.
      if (end > 0) this.write(level, plainLines(pending.slice(0, end)).join("\n"));
      pending = pending.slice(end);
    };
    return {
      write: (chunk) => flush(decoder.write(chunk)),
      end: () => {
        flush(decoder.end());
        if (pending !== "") this.write(level, plainLines(pending).join("\n"));
        pending = "";
      },
    };
  }

  /** Resolves when everything written so far has been sent or given up. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sendQueue();
    await this.sending;
  }

  private push(level: BuildLogLevel, body: string): void {
    const most = this.options.maxLines ?? MAX_LINES;
    if (this.accepted > most) return;
    const full = this.accepted++ === most;
    this.queue.push(
      full
        ? { level: "warn", body: `The log has more than ${most} lines; the rest is left out.` }
        : { level, body: body.slice(0, MAX_LOG_LINE_CHARS).toWellFormed() }
    );
    if (this.queue.length >= MAX_LOG_LINES) this.sendQueue();
    else this.timer ??= setTimeout(() => this.sendQueue(), SEND_EVERY_MS);
  }

  private sendQueue(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sending = this.sending.then(async () => {
      while (this.queue.length > 0) {
        const batch = this.queue.slice(0, MAX_LOG_LINES);
        this.queue = this.queue.slice(batch.length);
        await this.options.send(batch).catch(() => undefined);
      }
    });
  }
}
