/**
 * The progress page of the next deployment, as an open browser lives it: one event stream, and the page again
 * after each event. Phases are heard from Postgres the moment they are committed, on a connection of the benchmark's own.
 */
import { performance } from "node:perf_hooks";
import type pg from "pg";
import type { PhaseRows, Session } from "./session";

/** Times of `performance.now()`. A phase that the page showed when it was opened has no time in `shown`. */
export type Watched = {
  openedAt: number;
  committed: ReadonlyMap<string, number>;
  messages: readonly number[];
  shown: ReadonlyMap<string, number>;
};
/** `environmentId`: where the deployment will be. */
type Place = { session: Session; projectRef: string; environmentId: string };
export type PhaseDelay = { phase: string; messageMs: number; shownMs: number };

/** The benchmark hears of a commit on another connection than the server: which of both hears first is chance. */
const SAME_MOMENT_MS = 5;
const END_TIMEOUT_MS = 30_000;

/** From each commit while the page was open to the next event, and to the first reading that showed the phase. */
export function phaseDelays({ openedAt, committed, messages, shown }: Watched): PhaseDelay[] {
  return [...committed].flatMap(([phase, at]) => {
    if (at < openedAt) return [];
    const shownAt = shown.get(phase);
    if (shownAt === undefined) throw new Error(`The open page never showed ${phase}.`);
    // A reading that was under way can show it before its event comes.
    const message = Math.min(shownAt, messages.find((time) => time >= at - SAME_MOMENT_MS) ?? shownAt);
    return [{ phase, messageMs: Math.max(0, message - at), shownMs: Math.max(0, shownAt - at) }];
  });
}

/** Phases that a reading of the page shows as begun or done. */
export function phasesOf(rows: PhaseRows): string[] {
  const begun = [...rows].filter(([, state]) => state !== "pending").map(([step]) => step);
  return rows.get("finalizing") === "completed" ? [...begun, "ready"] : begun;
}

export class ProgressWatch {
  private readonly committed = new Map<string, number>();
  private readonly shown = new Map<string, number>();
  private readonly messages: number[] = [];
  private readonly leave = new AbortController();
  private openedAt: number | undefined;
  private stopped = false;
  private deploymentId: string | undefined;
  private watching: Promise<void> | undefined;

  private constructor(
    private readonly pool: pg.Pool,
    private readonly client: pg.PoolClient,
    private readonly place: Place
  ) {
    client.on("notification", ({ payload }) => this.hear(payload ?? ""));
  }

  /** Follows the next deployment from its creation. */
  static async start(pool: pg.Pool, place: Place): Promise<ProgressWatch> {
    const client = await pool.connect();
    const watch = new ProgressWatch(pool, client, place);
    await client.query("LISTEN sluice_deployment");
    return watch;
  }

  /** Once the page has shown the end. */
  async ended(): Promise<PhaseDelay[]> {
    const timer = setTimeout(() => this.leave.abort(), END_TIMEOUT_MS);
    try {
      await this.watching;
      return phaseDelays({ openedAt: this.openedAt ?? 0, committed: this.committed, messages: this.messages, shown: this.shown });
    } finally {
      clearTimeout(timer);
      this.stop();
    }
  }

  /** Twice is once. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.leave.abort();
    this.client.release(true);
  }

  private hear(payload: string): void {
    const now = performance.now();
    const [id = "", , phase = ""] = payload.split(" ");
    // Changes of other deployments are heard too.
    if (phase === "queued") this.deploymentId ??= id;
    if (id !== this.deploymentId) return;
    if (!this.committed.has(phase)) this.committed.set(phase, now);
    if (this.watching) return;
    this.watching = this.watch(id);
    // Its failure is told by `ended`, which is awaited later.
    this.watching.catch(() => undefined);
  }

  private async watch(id: string): Promise<void> {
    const { session, projectRef, environmentId } = this.place;
    const { rows } = await this.pool.query<{ short_code: string }>("SELECT short_code FROM deployment WHERE id = $1", [id]);
    const code = rows[0]?.short_code ?? "";
    const page = await session.follow(`/projects/v3/${projectRef}/deployments/${code}`);
    const events = `/resources/envs/${environmentId}/deployments/${code}/events`;
    // Streams end after a minute; a browser connects again.
    while (!(await this.follow(events, page))) continue;
  }

  /** Reads the page after each event of one stream; true when it showed the end. */
  private async follow(events: string, page: string): Promise<boolean> {
    const stream = await this.place.session.open(events, this.leave.signal);
    if (!stream.ok || !stream.body) throw new Error(`${events} was answered with ${stream.status}.`);
    this.openedAt ??= performance.now();
    const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += chunk.value;
      const whole = text.split("\n\n");
      text = whole.pop() ?? "";
      if (!whole.some((event) => event.includes("event: change"))) continue;
      this.messages.push(performance.now());
      if (await this.read(page)) return true;
    }
    return false;
  }

  /** True when it showed the end. */
  private async read(page: string): Promise<boolean> {
    const shown = phasesOf(await this.place.session.progress(page));
    const now = performance.now();
    for (const phase of shown) if (!this.shown.has(phase)) this.shown.set(phase, now);
    return shown.includes("ready");
  }
}
