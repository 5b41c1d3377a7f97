/** Shapes of the deployment pages: plain data, times in epoch milliseconds, nothing left to decide. */
import type { Phase, Step } from "../../deployments/phases";
import type { StepRowState } from "../../deployments/rows/stepRows";
import type { FiltersView } from "../runs/runFilters";
import type { Tone, Words } from "../views";

/** What pages call a deployment: its phase, and Timed out for one that failed by a deadline. */
export type ShownDeployment = Phase | "timed_out";

/** Where the code came from, as far as the client said. */
export type CommitView = {
  message: string | null;
  sha: string | null;
  branch: string | null;
  /** "from GitHub Actions", "from CLI". */
  from: string;
};

export type ActionName = "promote" | "rollback" | "confirm" | "cancel" | "stop" | "wake" | "redeploy";
/** One thing that can be done with a deployment; `reason` says why it cannot be done now. */
export type ActionView = { name: ActionName; label: string; reason: string | null; danger: boolean };

/** One line of the deployments table. */
export type DeploymentRow = {
  id: string;
  version: string;
  shortCode: string;
  href: string;
  status: ShownDeployment;
  current: boolean;
  /** The version that `?version=` asked for. */
  wanted: boolean;
  note: Words;
  commit: CommitView;
  tasks: number | null;
  regions: string | null;
  bar: { tone: Tone; ms: number }[];
  tookMs: number;
  /** The duration still grows. */
  running: boolean;
  /** When it became ready, ended, or was created. */
  at: number;
  actions: ActionView[];
};

/** Automatic promotion is paused: the environment is rolled back. */
export type RolledBackView = {
  current: string;
  currentHref: string;
  /** The newest version that was left behind, or null when it is gone. */
  from: { version: string; href: string } | null;
  at: number | null;
  by: string | null;
};

export type DeploymentListView = {
  rows: DeploymentRow[];
  asOf: number;
  filters: FiltersView;
  rolledBack: RolledBackView | null;
  newerHref: string | null;
  olderHref: string | null;
  /** The environment has no deployment at all: what to type. */
  first: { sentence: string; command: string } | null;
};

export type LogLevel = "debug" | "info" | "warn" | "error";
export type DeploymentLogLine = { seq: number; at: number; level: LogLevel; text: string };
/** The lines of one phase that are loaded; earlier ones are fetched on request. */
export type LogView = { step: Step; total: number; warnings: number; errors: number; firstSeq: number; lines: DeploymentLogLine[] };

export type PhaseView = {
  step: Step;
  title: string;
  state: StepRowState;
  /** Ended by a cancel or a newer deployment, not by a fault. */
  interrupted: boolean;
  text: string;
  durationMs: number | null;
  usuallyMs: number | null;
  log: LogView | null;
  /** Full text of the error. */
  error: string | null;
};

export type RegionHealthState = "healthy" | "starting" | "failed" | "silent" | "stopped";
export type RegionCardView = { region: string; state: RegionHealthState; running: number; desired: number; note: string };
export type InstanceState = "preparing" | "running" | "draining" | "failed" | "stopped";
export type InstanceView = {
  name: string;
  region: string;
  state: InstanceState;
  now: string | null;
  restarts: number;
  seenAt: number;
};

/** Where, why, next: what a failure page says first. */
export type FailureView = {
  step: Step | null;
  title: string;
  where: Words;
  why: Words;
  next: Words;
  full: string;
  /** The environment variable that the code missed. */
  missing: { name: string; envSlug: string } | null;
};

export type OutcomeView = { kind: "ok" | "hold"; title: Words; text: string; link: { label: string; href: string } | null };
export type FactView = { name: string; value: Words };
export type TaskLine = { slug: string; file: string; detail: string | null };
export type PromotionLine = { generation: number; text: Words; by: string; at: number };

export type DeploymentView = {
  id: string;
  version: string;
  shortCode: string;
  status: ShownDeployment;
  terminal: boolean;
  current: boolean;
  asOf: number;
  createdAt: number;
  endedAt: number | null;
  tookMs: number;
  commit: CommitView;
  by: string | null;
  phases: PhaseView[];
  /** One sentence for screen readers, spoken when it changes. */
  announce: string;
  regions: RegionCardView[];
  instances: InstanceView[];
  failure: FailureView | null;
  outcome: OutcomeView | null;
  aside: { title: string; facts: FactView[] };
  details: FactView[];
  tasks: TaskLine[];
  history: PromotionLine[];
  actions: ActionView[];
  /** Path of the deployment's page; the other pages are below it. */
  href: string;
  listHref: string;
  variablesHref: string;
  /** Of the log as plain text, and of ranges of it as JSON. */
  logHref: string;
  /** Set once it is ready: the progress page leads there after it has shown the last phase. */
  readyHref: string | null;
};

export type ChangeSide = {
  version: string;
  status: ShownDeployment;
  commit: CommitView;
  summary: string;
};
export type ChangePoint = {
  icon: "run" | "task" | "clock" | "pause" | "flight" | "variables" | "data" | "queue" | "check";
  title: Words;
  text: Words;
};
/** The confirm step of promote, rollback and "keep this version". */
export type ChangeView = {
  kind: "promote" | "rollback" | "confirm";
  envSlug: string;
  from: ChangeSide | null;
  to: ChangeSide;
  /** Null when it cannot be done: `refusal` says why. */
  intro: string | null;
  changes: ChangePoint[];
  stays: ChangePoint[];
  /** Buttons. */
  doLabel: string;
  busyLabel: string;
  keepLabel: string;
  keepHref: string;
  recorded: string;
  command: string;
  /** Why it cannot be done; then there is no button for it. */
  refusal: string | null;
};
