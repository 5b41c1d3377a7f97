/** Pages of deployments from fixtures, for rendering tests. */
import type { ReactElement } from "react";
import { ConfirmChange } from "~/components/deployments/ConfirmChange";
import { DeploymentPage } from "~/components/deployments/DeploymentPage";
import { DeploymentsList } from "~/components/deployments/DeploymentsList";
import { NewAgentTokenBanner, NewRegion, RegionsPanels } from "~/components/deployments/RegionsPage";
import { DeploySettingsForm, RegionSettingsForm } from "~/components/deployments/SettingsForms";
import { Shell } from "~/components/shell/Shell";
import { CsrfProvider } from "~/components/ui/forms";
import type { Phase } from "~/deployments/phases";
import { STEPS, type Step } from "~/deployments/phases";
import type { StepRecord } from "~/deployments/rows/stepRows";
import { deploymentFilters, parseDeploymentsQuery } from "~/presenters/deployments/list/filters";
import { announcement, phaseViews, type PhaseFacts } from "~/presenters/deployments/phases";
import type { ActionView, ChangeView, DeploymentRow, DeploymentView, LogView, ShownDeployment } from "~/presenters/deployments/views";
import { BASE, NOW, place, shell } from "./fixtures";

function framed(page: ReactElement): ReactElement {
  return (
    <CsrfProvider value="token-of-the-session">
      <Shell shell={shell} place={place} crumbs={[{ label: "Deployments" }]}>
        {page}
      </Shell>
    </CsrfProvider>
  );
}

const commit = { message: "Retry card capture on 429", sha: "7be20d4", branch: "main", from: "from GitHub Actions" };
export const actions: ActionView[] = [
  { name: "promote", label: "Promote", reason: null, danger: false },
  { name: "rollback", label: "Roll back to this", reason: "Cannot rollback to a newer one.", danger: false },
  { name: "redeploy", label: "Redeploy", reason: null, danger: false },
  { name: "stop", label: "Stop", reason: null, danger: true },
  { name: "cancel", label: "Cancel deployment", reason: null, danger: true },
];

const row = (status: ShownDeployment, n: number): DeploymentRow => ({
  ...{ id: `d${n}`, version: `20261121.${n}`, shortCode: `code${n}`, href: `${BASE}/deployments/code${n}`, status, commit, actions },
  ...{ current: n === 3, wanted: n === 4, note: ["Serves every new run"], tasks: n === 1 ? null : 12, regions: n === 1 ? null : "eu 2/2" },
  bar: [{ tone: "queue", ms: 200 }, ...(n === 2 ? [{ tone: "fail" as const, ms: 900_000 }] : [{ tone: "run" as const, ms: 18_000 }])],
  ...{ tookMs: 26_000, running: status === "building", at: NOW - n * 60_000 },
});
export const STATUSES: ShownDeployment[] = [
  "building",
  "failed",
  "ready",
  "stopped",
  "timed_out",
  "cancelled",
  "superseded",
  "skipped",
  "awaiting_approval",
];

/** The list, with a banner and one row of every kind. */
export function listStory(empty = false): ReactElement {
  const filters = deploymentFilters(parseDeploymentsQuery(new URLSearchParams("status=ready&branch=main")), `${BASE}/deployments`, [
    "main",
    "pdf-v2",
  ]);
  const rolledBack = {
    ...{ current: "20261121.3", currentHref: `${BASE}/deployments/code3`, at: NOW, by: "admin@sluice.local" },
    from: { version: "20261121.4", href: `${BASE}/deployments/code4` },
  };
  const rows = STATUSES.map((status, i) => row(status, i + 1));
  const view = { rows, asOf: NOW, filters, rolledBack, newerHref: null, olderHref: `${BASE}/deployments?after=x`, first: null };
  return framed(
    <>
      <h1>Deployments</h1>
      <DeploymentsList
        view={
          empty
            ? {
                ...view,
                rows: [],
                rolledBack: null,
                first: { sentence: "Nothing is deployed to prod yet.", command: "npx trigger.dev@4.8.3 deploy" },
              }
            : view
        }
        place="storefront, prod"
      />
    </>
  );
}

const log = (step: Step): LogView => ({
  ...{ step, total: 120, warnings: 1, errors: 1, firstSeq: 1 },
  lines: [
    { seq: 118, at: NOW, level: "info", text: "\u001b[32minstall\u001b[0m  412 packages" },
    { seq: 119, at: NOW, level: "warn", text: "slow" },
    { seq: 120, at: NOW, level: "error", text: "Error: it broke\n    at src/a.ts:7:9 <script>" },
  ],
});
const FACTS: PhaseFacts = {
  ...{ slot: null, targets: { regions: 2, replicas: 4 }, health: { healthy: 1, regions: 2, required: 2 }, regionNames: ["eu", "us"] },
  build: { waits: false, tasks: 14, releaseBytes: 38_200_000 },
  promotion: { current: "20261121.2", will: true, why: null },
  finalized: "Version 20261121.3 is ready and current.",
};

/** Steps up to `last`; it is open, or has an error, or ended. */
export function stepsUpTo(last: Step, end: "open" | "error" | "ended"): StepRecord[] {
  const upTo = STEPS.indexOf(last);
  return STEPS.slice(0, upTo + 1).map((step, i) => ({
    step,
    startedAt: new Date(NOW - (upTo - i + 1) * 5_000),
    endedAt: i === upTo && end === "open" ? null : new Date(NOW - (upTo - i) * 5_000),
    error: i === upTo && end === "error" ? "It broke\nin full" : null,
    errorSummary: i === upTo && end === "error" ? "It broke" : null,
  }));
}

/** The page in a phase. */
export function pageView(phase: Phase, steps: StepRecord[], terminal: boolean): DeploymentView {
  const medians = new Map<Step, number>(STEPS.map((step) => [step, 4_000]));
  const logs = new Map<Step, LogView>([["building", log("building")]]);
  const phases = phaseViews({ phase, steps, nowMs: NOW, medians, logs, facts: FACTS });
  const failed = phase === "failed";
  return {
    ...{
      id: "d",
      version: "20261121.3",
      shortCode: "h7k2m9qd",
      status: phase,
      terminal,
      current: false,
      asOf: NOW,
      createdAt: NOW - 30_000,
    },
    ...{ endedAt: terminal ? NOW : null, tookMs: 26_000, commit, by: "admin@sluice.local", phases },
    announce: announcement(phases, phase, "20261121.3"),
    regions: [
      { region: "eu", state: "healthy", running: 2, desired: 2, note: "Agent eu-1, isolation L2" },
      { region: "us", state: "silent", running: 0, desired: 2, note: "No agent of this region reports" },
    ],
    instances: [{ name: "eu-1/r-5kq2", region: "eu", state: "running", now: null, restarts: 2, seenAt: NOW - 800 }],
    failure: failed
      ? {
          step: "building",
          title: "It broke",
          where: [{ code: "src/a.ts:7:9" }],
          why: ["Because."],
          next: ["Fix it."],
          full: "It broke\nin full",
          missing: { name: "ALERTS_WEBHOOK_URL", envSlug: "prod" },
        }
      : null,
    outcome: failed
      ? { kind: "ok", title: ["Nothing changed for your runs."], text: "Removed.", link: { label: "View 2", href: "/2" } }
      : null,
    aside: { title: "What changes", facts: [{ name: "Replaces", value: [{ code: "20261121.2", href: "/2" }] }] },
    details: [{ name: "Short code", value: [{ code: "h7k2m9qd" }] }],
    tasks: [{ slug: "hello", file: "src/trigger/hello.ts", detail: "0 2 * * * UTC" }],
    history: [{ generation: 1, text: ["Promoted: ", { code: "20261121.3" }], by: "admin", at: NOW }],
    ...{
      actions,
      href: `${BASE}/deployments/h7k2m9qd`,
      listHref: `${BASE}/deployments`,
      variablesHref: `${BASE}/variables`,
      logHref: "/resources/log",
      readyHref: null,
    },
  };
}

/** The page of a deployment in a phase. */
export const pageStory = (phase: Phase, steps: StepRecord[], terminal: boolean) =>
  framed(<DeploymentPage view={pageView(phase, steps, terminal)} />);

/** The confirm step; `refusal` takes its button away. */
export function confirmStory(kind: ChangeView["kind"], refusal: string | null = null): ReactElement {
  const side = (version: string) => ({ version, status: "ready" as const, commit, summary: "Live for 37 min, 14 tasks" });
  const view: ChangeView = {
    ...{
      kind,
      envSlug: "prod",
      from: kind === "confirm" ? null : side("20261121.3"),
      to: side("20261121.2"),
      intro: "New runs start on it.",
    },
    changes: [{ icon: "run", title: ["New runs start on ", { code: "20261121.2" }], text: [] }],
    stays: [{ icon: "data", title: ["Your data is not touched"], text: ["Finished runs are not undone."] }],
    ...{
      doLabel: "Do it",
      busyLabel: "Doing…",
      keepLabel: "Keep 20261121.3",
      keepHref: `${BASE}/deployments`,
      recorded: "Recorded.",
      command: "curl",
    },
    refusal,
  };
  return framed(<ConfirmChange view={view} />);
}

const settingsView = {
  ...{ envSlug: "prod", deployable: true, inherited: false },
  settings: {
    ...{ buildPath: "native" as const, autoPromote: true, readiness: "all" as const, holdResponse: false },
    ...{ supersedeQueued: false, concurrentBuilds: 3, processKeepAlive: false },
  },
  regions: [
    { region: "eu", regionId: "1", canSchedule: false, replicas: null },
    { region: "local", regionId: "2", canSchedule: true, replicas: 2 },
  ],
};

export const deploymentStories: Record<string, () => ReactElement> = {
  deployments: () => listStory(),
  "deployments-empty": () => listStory(true),
  "deployment-building": () => pageStory("building", stepsUpTo("building", "open"), false),
  "deployment-failed": () => pageStory("failed", stepsUpTo("building", "error"), true),
  "deployment-ready": () => pageStory("ready", stepsUpTo("finalizing", "ended"), true),
  rollback: () => confirmStory("rollback"),
  promote: () => confirmStory("promote", "Cannot promote a deployment that is older than the current deployment."),
  "confirm-rollback": () => confirmStory("confirm"),
  "deploy-settings": () =>
    framed(
      <>
        <h1>Deploy settings</h1>
        <DeploySettingsForm view={settingsView} violations={{ form: "settings", texts: ["One.", "Two."] }} />
        <RegionSettingsForm
          view={settingsView}
          violations={{ form: "regions", texts: ["Region “eu” has too many."] }}
          typed={{ eu: "21" }}
          regionsHref="/regions"
        />
      </>
    ),
  regions: () =>
    framed(
      <>
        <h1>Regions</h1>
        <NewAgentTokenBanner made={{ region: "eu", token: "tr_wgt_0123456789abcdef" }} origin="http://127.0.0.1:3030" />
        <RegionsPanels
          view={{
            ...{ asOf: NOW, envSlug: "prod", origin: "http://127.0.0.1:3030" },
            regions: [
              {
                ...{ id: "1", name: "eu", connected: 1, canSchedule: true, wanted: 2 },
                agents: [
                  {
                    ...{
                      id: "a",
                      name: "eu-1",
                      connected: false,
                      seenAt: NOW - 60_000,
                      roles: "runner",
                      isolation: "L1",
                      isolationNote: "not root",
                    },
                    ...{ machine: "linux x64", memoryMb: 3_900, used: 2, slots: 8, replicas: 2 },
                  },
                ],
                tokens: [{ id: "t", obfuscated: "tr_wgt_9f2k…x41c", createdAt: NOW }],
              },
              { id: "2", name: "us", connected: 0, canSchedule: false, wanted: null, agents: [], tokens: [] },
            ],
          }}
        />
        <NewRegion error="Region names have 1 to 63 lower-case letters." typed="US" />
      </>
    ),
};
