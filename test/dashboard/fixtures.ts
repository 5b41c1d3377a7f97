/** View models for rendering tests: the same invented installation as the mock-ups. */
import type { ShellData, ShellPlace } from "~/presenters/shellView";
import { lifecycleOf } from "~/presenters/runs/lifecycle";
import { filtersView, parseRunsQuery } from "~/presenters/runs/runFilters";
import { attemptsOf, phasesOf, stretchesOf } from "~/presenters/runs/runHistory";
import { splitOf } from "~/presenters/runs/split";
import { timelineOf } from "~/presenters/runs/timeline";
import type { RunRow, RunView, ShownStatus, Words } from "~/presenters/views";
import type { ExecutionState } from "~/runops/runStates";
import type { Transition } from "~/runops/runStore";
import type { TraceSpan } from "~/telemetry/types";

export const NOW = Date.UTC(2026, 10, 21, 14, 32, 9);
export const BASE = "/orgs/acme/projects/storefront/env/prod";

const environment = (slug: "dev" | "staging" | "prod") => ({
  id: slug,
  slug,
  paused: false,
  href: `/orgs/acme/projects/storefront/env/${slug}`,
});
const project = {
  orgSlug: "acme",
  orgTitle: "Acme",
  slug: "storefront",
  name: "storefront",
  environments: [environment("dev"), environment("staging"), environment("prod")],
};
export const place: ShellPlace = { project, environment: environment("prod") };
export const shell: ShellData = {
  email: "admin@sluice.local",
  version: "0.1.0",
  projects: [project],
  health: { postgresMs: 1.2, redisMs: 0.2, installation: { processes: 3, regions: 2, connected: 2 } },
  activity: { executing: 50, deploying: 1 },
  flash: null,
};

type Line = [status: ShownStatus, task: string, tail: string, note: Words, queuedMs: number | null, ranMs: number | null, agoMs: number];
const LINES: Line[] = [
  ["EXECUTING", "index-product", "r8w1zt", [], 110, 1_900, 1_000],
  ["QUEUED", "send-receipt", "q4m7ka", ["Next in line"], 600, null, 1_000],
  ["QUEUED", "send-receipt", "p9x2ce", ["Queue ", { code: "email" }, " is full (10 of 10), 212 others queued"], 4_200, null, 4_000],
  ["EXECUTING", "fulfil-order", "h1v6ds", ["Attempt 2 of 5"], 300, 6_100, 8_000],
  ["WAITING", "fulfil-order", "s6e1kd", ["Waits for what it called"], 2_400, 2_100, 10_000],
  ["COMPLETED", "capture-payment", "c7n3yb", [], 110, 1_100, 11_000],
  ["FAILED", "capture-payment", "k2f8wm", ["CardDeclinedError: insufficient_funds"], 110, 900, 12_000],
  ["COMPLETED", "resize-image", "e5t0lj", [], 200, 700, 14_000],
  ["COMPLETED", "resize-image", "w8b4ru", [], 200, 800, 14_000],
  [
    "PENDING_VERSION",
    "refund-order",
    "m3d9xg",
    ["No version in ", { code: "prod" }, " has the task ", { code: "refund-order" }],
    12_800,
    null,
    20_000,
  ],
  ["RETRYING", "sync-inventory", "j6p1vn", ["Attempt 3 of 5 in 8.0 s. Last error: ECONNRESET"], 800, 2_600, 25_000],
  ["COMPLETED", "index-product", "t2k5qh", [], 110, 1_600, 27_000],
  ["CRASHED", "render-invoice", "a9z7co", ["TASK_PROCESS_OOM_KILLED: out of memory on small-1x"], 300, 9_400, 39_000],
  ["COMPLETED", "notify-warehouse", "y4s8fp", [], 200, 500, 41_000],
  ["DELAYED", "abandoned-cart", "l1g6mw", ["Starts in 2 h 58 min, at 17:30:00"], null, null, 48_000],
  ["CANCELED", "import-catalog", "o5h3nk", ["Canceled from the dashboard"], 200, 38_400, 67_000],
  ["TIMED_OUT", "nightly-report", "x8c0tv", ["MAX_DURATION_EXCEEDED: ran for 10 min"], 110, 600_000, 78_000],
  ["EXPIRED", "warm-cache", "b6j4ya", ["Not started within its TTL of 30.0 s"], 30_000, null, 89_000],
];
const FINAL = new Set<ShownStatus>(["COMPLETED", "FAILED", "CRASHED", "CANCELED", "TIMED_OUT", "EXPIRED"]);
const RED = new Set<ShownStatus>(["FAILED", "CRASHED", "TIMED_OUT"]);

/** One row of every kind. */
export const rows: RunRow[] = LINES.map(([status, task, tail, note, queuedMs, ranMs, agoMs]) => {
  const id = `c1jn2k5v0a7x2lbv8${tail}`;
  return {
    id,
    friendlyId: `run_${id}`,
    href: `${BASE}/runs/run_${id}`,
    status,
    final: FINAL.has(status),
    task,
    note,
    queuedMs,
    ranMs,
    growing: null,
    bar: [
      ...(queuedMs ? [{ tone: "queue" as const, ms: queuedMs }] : []),
      ...(ranMs ? [{ tone: RED.has(status) ? ("fail" as const) : ("run" as const), ms: ranMs }] : []),
    ],
    version: status === "PENDING_VERSION" ? null : "20261121.3",
    createdAt: NOW - agoMs,
    tags: [],
  };
});

/** Filters as a query string puts them. */
export function filtersOf(search: string) {
  return filtersView(parseRunsQuery(new URLSearchParams(search)), `${BASE}/runs`, {
    tasks: ["fulfil-order", "send-receipt"],
    queues: ["email"],
  });
}

const CREATED = Date.UTC(2026, 10, 21, 14, 1, 14, 20);
const step = (afterMs: number, state: ExecutionState, attempt: number, seq: number): Transition => ({
  seq,
  state,
  at: new Date(CREATED + afterMs),
  attempt,
});

/** Queued, one failed attempt, a pause, then a second attempt that waits twice. */
export const history: Transition[] = [
  step(0, "QUEUED", 0, 1),
  step(2_700, "PENDING_EXECUTING", 0, 2),
  step(2_740, "EXECUTING", 1, 3),
  step(5_620, "EXECUTING", 1, 4),
  step(7_420, "EXECUTING", 2, 5),
  step(13_400, "EXECUTING_WITH_WAITPOINTS", 2, 6),
  step(1_813_400, "EXECUTING", 2, 7),
  step(1_814_100, "EXECUTING_WITH_WAITPOINTS", 2, 8),
];

type SpanInput = { id: string; depth: number; message: string; from: number; ms: number } & Partial<TraceSpan>;
const span = ({ id, depth, message, from, ms, ...rest }: SpanInput): TraceSpan => ({
  id: id.padStart(16, "0"),
  parentId: null,
  depth,
  runId: "c1",
  attempt: null,
  message,
  startMs: CREATED + from,
  durationMs: ms,
  level: "TRACE",
  kind: "span",
  isPartial: false,
  isError: false,
  isCancelled: false,
  style: {},
  entity: null,
  attributes: {},
  output: null,
  events: [],
  run: null,
  ...rest,
});

/** A trace in reading order: the run itself, then two attempts with what they did. */
export const spans: TraceSpan[] = [
  span({ id: "1", depth: 0, message: "fulfil-order", from: 0, ms: 1_855_000, kind: "run" }),
  span({ id: "2", depth: 1, message: "Attempt 1", from: 2_740, ms: 2_880, attempt: 1, isError: true }),
  span({ id: "3", depth: 2, message: "reserve-stock", from: 2_800, ms: 1_050, attempt: 1 }),
  span({ id: "4", depth: 2, message: "charge-card", from: 3_900, ms: 1_720, attempt: 1, isError: true }),
  span({ id: "5", depth: 1, message: "Attempt 2", from: 7_420, ms: 1_847_000, attempt: 2, isPartial: true }),
  span({ id: "6", depth: 2, message: "reserve-stock", from: 7_480, ms: 40, attempt: 2 }),
  span({ id: "7", depth: 2, message: "charge-card", from: 7_620, ms: 1_580, attempt: 2 }),
  span({ id: "8", depth: 3, message: "card accepted by processor", from: 8_900, ms: 0, attempt: 2, kind: "log", level: "INFO" }),
  span({ id: "9", depth: 2, message: "render-invoice", from: 9_240, ms: 3_860, attempt: 2, kind: "run" }),
  span({ id: "a", depth: 2, message: "wait.for 30 min", from: 13_400, ms: 1_800_000, attempt: 2 }),
  span({ id: "b", depth: 2, message: "warehouse answers slowly", from: 1_813_900, ms: 0, attempt: 2, kind: "log", level: "WARN" }),
];

/** The run of `run.html`. */
export function runView(): RunView {
  const phases = phasesOf(history);
  const attempts = attemptsOf(phases, null);
  const stretches = stretchesOf(phases, attempts);
  const story = { phases, attempts, stretches, endedAt: null };
  const payload = JSON.stringify(
    { orderId: "ord_81f3c6", currency: "EUR", total: 184.5, express: true, warehouses: ["rtm", "gdn", "vlc"] },
    null,
    2
  );
  return {
    id: "c1jn2k5v0a7x2lbv89q4htz00",
    friendlyId: "run_c1jn2k5v0a7x2lbv89q4htz00",
    task: "fulfil-order",
    status: "WAITING",
    final: false,
    cancelable: true,
    asOf: NOW,
    createdAt: CREATED,
    triggeredBy: "Triggered by API",
    version: { name: "20261121.2", href: `${BASE}/runs?version=20261121.2` },
    queue: { name: "orders", href: `${BASE}/runs?queue=orders` },
    region: "eu",
    machine: "small-1x",
    attempt: 2,
    maxAttempts: 5,
    wait: {
      title: "Waiting for what it called",
      text: ["This run waits for child runs, a token or time. It holds no slot while it waits."],
      short: ["Waits for what it called"],
    },
    split: splitOf(stretches, CREATED, null, NOW),
    timeline: timelineOf({
      task: "fulfil-order",
      status: "WAITING",
      createdAt: CREATED,
      nowMs: NOW,
      ...story,
      spans,
      fold: true,
      hrefOf: (id) => `?span=${id}`,
    }),
    lifecycle: lifecycleOf({
      ...story,
      final: null,
      queue: "orders",
      version: "20261121.2",
      reason: null,
      dueAt: null,
      attemptErrors: new Map([[1, "RateLimitError: 429 Too Many Requests"]]),
      nowMs: NOW,
      timeZone: "UTC",
    }),
    payload: { kind: "json", text: payload, bytes: 1_843, cut: false },
    output: { kind: "none" },
    metadata: { kind: "none" },
    error: {
      title: "Attempt 1 failed, then retried",
      view: {
        name: "RateLimitError",
        message: "429 Too Many Requests",
        stack: "at chargeCard (src/payments.ts:48:13)\nat run (src/trigger/fulfil-order.ts:31:5)",
      },
    },
    logs: [
      { id: "8", at: CREATED + 8_900, level: "info", kind: "plain", text: "card accepted by processor" },
      { id: "b", at: CREATED + 1_813_900, level: "warn", kind: "warn", text: "warehouse answers slowly" },
    ],
    logsCut: false,
    span: null,
    facts: [
      { name: "Idempotency key", value: [{ code: "ord_81f3c6:fulfil" }] },
      { name: "Max duration", value: ["2 h of run time"] },
      { name: "Children", value: ["4 runs"] },
      { name: "Compute", value: ["9.36 s"] },
    ],
    tags: ["order:ord_81f3c6", "eu"],
  };
}
