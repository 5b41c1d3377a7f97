/** One line of the deployments list. */
import { plainText } from "../../../utils/ansi";
import { commitOf } from "../commit";
import { isTerminal, stepOfPhase, type Phase, type Step, type WireStatus } from "../../../deployments/phases";
import { clockTime, formatDuration, listTime } from "../../../utils/format";
import type { Tone, Words } from "../../views";
import { deploymentActions } from "../actions.server";
import { periodsOf, type Period, type PointerMove } from "./periods";
import type { ListedRegion, ListedStep, Pointer } from "../rows.server";
import { STEP_TITLES } from "../../../utils/deploymentWords";
import { shownDeployment } from "../status";
import type { DeploymentRow } from "../views";

/** A row of `list.sql`. */
export type ListedDeployment = {
  id: string;
  version: string;
  shortCode: string;
  phase: Phase;
  status: WireStatus;
  desiredState: "running" | "stopped";
  hasWorker: boolean;
  hasRelease: boolean;
  skipPromotion: boolean;
  git: Record<string, unknown> | null;
  commitSha: string | null;
  triggeredVia: string | null;
  canceledReason: string | null;
  failureStep: Step | null;
  createdAt: Date;
  deployedAt: Date | null;
  endedAt: Date | null;
  bundleThere: boolean;
  tasks: number;
  steps: ListedStep[];
  regions: ListedRegion[];
};

export type RowContext = {
  base: string;
  nowMs: number;
  timeZone: string;
  pointer: Pointer | null;
  moves: readonly PointerMove[];
  /** Usual milliseconds of each phase. */
  medians: ReadonlyMap<Step, number>;
  wantedVersion: string | null;
};

const LONGEST_NOTE = 120;

export function toDeploymentRow(row: ListedDeployment, context: RowContext): DeploymentRow {
  const { base, nowMs, pointer } = context;
  const running = !isTerminal(row.phase);
  const current = pointer?.currentId === row.id;
  const end = running ? nowMs : (row.endedAt ?? row.createdAt).getTime();
  return {
    id: row.id,
    version: row.version,
    shortCode: row.shortCode,
    href: `${base}/deployments/${row.shortCode}${running ? "/progress" : ""}`,
    status: shownDeployment(row.phase, row.status),
    current,
    wanted: context.wantedVersion === row.version,
    note: noteOf(row, context, current),
    commit: commitOf(row),
    tasks: row.hasWorker ? row.tasks : null,
    regions: regionsText(row.regions, row.phase),
    bar: barOf(row, nowMs),
    tookMs: Math.max(0, end - row.createdAt.getTime()),
    running,
    at: (row.deployedAt ?? row.endedAt ?? row.createdAt).getTime(),
    actions: deploymentActions({
      ...row,
      inUse: false,
      current: pointer && { id: pointer.currentId, version: pointer.currentVersion },
      isRolledBack: pointer?.isRolledBack ?? false,
    }),
  };
}

/** "eu 2/2, us 0/2", more processes than wanted count as all of them; null before there are any. */
export function regionsText(regions: readonly ListedRegion[], phase: Phase): string | null {
  if (regions.length === 0) return phase === "stopped" ? "none running" : null;
  const wanted = regions.filter((region) => region.wanted > 0 || region.running > 0);
  if (wanted.length === 0) return phase === "stopped" || phase === "ready" ? "none running" : null;
  return wanted.map(regionText).join(", ");
}

function regionText({ region, running, wanted }: ListedRegion): string {
  return wanted === 0 ? `${region} ${running} stopping` : `${region} ${Math.min(running, wanted)}/${wanted}`;
}

function barOf(row: ListedDeployment, nowMs: number): { tone: Tone; ms: number }[] {
  return row.steps.map((step) => {
    const open = isTerminal(row.phase) ? step.startedAt.getTime() : nowMs;
    const ms = Math.max(0, (step.endedAt?.getTime() ?? open) - step.startedAt.getTime());
    const failed = step.failed && row.phase === "failed";
    return { tone: failed ? "fail" : step.step === "queued" ? "queue" : "run", ms };
  });
}

function noteOf(row: ListedDeployment, context: RowContext, current: boolean): Words {
  if (row.phase === "ready" || row.phase === "stopped") return readyNote(row, context, current);
  if (row.phase === "failed") return [failureNote(row)];
  if (isTerminal(row.phase)) return [interruptedNote(row)];
  const step = stepOfPhase(row.phase);
  if (step === null) return ["Waits for approval"];
  const usually = context.medians.get(step);
  return [usually === undefined ? "No deployment to compare with yet" : `${STEP_TITLES[step]} usually takes ${formatDuration(usually)}`];
}

function failureNote(row: ListedDeployment): string {
  const failed = row.steps.find((step) => step.failed);
  const step = failed?.step ?? row.failureStep;
  const what = oneLine(failed?.errorSummary ?? "ended without a reason");
  return step ? `${STEP_TITLES[step]}: ${what}` : what;
}

function interruptedNote(row: ListedDeployment): string {
  const reason = oneLine(row.canceledReason ?? "Canceled");
  const during = row.phase === "cancelled" ? row.steps.findLast((step) => step.failed)?.step : undefined;
  return during ? `${reason}, during ${STEP_TITLES[during]}` : reason;
}

function readyNote(row: ListedDeployment, context: RowContext, current: boolean): Words {
  const periods = periodsOf(context.moves, row.id);
  const last = periods.at(-1);
  const when = (ms: number) => shortTime(ms, context);
  if (current && last) return [`Serves every new run since ${when(last.from)}`];
  if (!last) return [row.skipPromotion ? "Not promoted: --skip-promotion" : "Never current"];
  if (last.rolledBack && last.to !== null) return [`Rolled back at ${when(last.to)}${row.phase === "ready" ? ", still warm" : ""}`];
  return [wasCurrent(last, context)];
}

/** To the minute: a second line has little room. */
function shortTime(ms: number, { nowMs, timeZone }: Pick<RowContext, "nowMs" | "timeZone">): string {
  return listTime(ms, nowMs, timeZone).replace(/:\d\d$/, "");
}

/** "Was current 09:18 to 11:02" of today, "Was current for 8 h 49 min" before. */
function wasCurrent(period: Period, { nowMs, timeZone }: RowContext): string {
  const to = period.to ?? nowMs;
  const today = listTime(period.from, nowMs, timeZone) === clockTime(period.from, timeZone);
  if (today) return `Was current ${shortTime(period.from, { nowMs, timeZone })} to ${shortTime(to, { nowMs, timeZone })}`;
  return `Was current for ${formatDuration(to - period.from)}`;
}

function oneLine(text: string): string {
  const line = plainText(text.split("\n")[0] ?? "");
  return line.length > LONGEST_NOTE ? `${line.slice(0, LONGEST_NOTE)}…` : line;
}
