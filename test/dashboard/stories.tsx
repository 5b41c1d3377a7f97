/** Whole pages from fixtures, for rendering tests and for looking at. */
import type { ReactElement } from "react";
import { FirstRun } from "~/components/runs/FirstRun";
import { RunPage } from "~/components/runs/RunPage";
import { RunsFigures } from "~/components/runs/RunsFigures";
import { RunsList } from "~/components/runs/RunsList";
import { EnvironmentCard } from "~/components/settings/EnvironmentCard";
import { CreateToken, NewTokenBanner, TokensTable } from "~/components/settings/Tokens";
import { VariablesPage } from "~/components/settings/Variables";
import { TestForm } from "~/components/settings/TestForm";
import { ApprovalPage } from "~/components/shell/ApprovalPage";
import { LoginForm, LoginPage } from "~/components/shell/LoginPage";
import { Shell } from "~/components/shell/Shell";
import type { Crumb } from "~/components/shell/place";
import { CsrfProvider } from "~/components/ui/forms";
import { BASE, filtersOf, NOW, place, rows, runView, shell } from "./fixtures";

function framed(crumbs: Crumb[], page: ReactElement): ReactElement {
  return (
    <CsrfProvider value="token-of-the-session">
      <Shell shell={shell} place={place} crumbs={crumbs}>
        {page}
      </Shell>
    </CsrfProvider>
  );
}

const head = (title: string) => (
  <section className="head">
    <div className="grow">
      <h1>{title}</h1>
    </div>
  </section>
);

/** The runs list with a filter. */
export function runsStory(search = "task=fulfil-order"): ReactElement {
  const list = (
    <RunsList rows={rows} asOf={NOW} filters={filtersOf(search)} newerHref={null} olderHref={`${BASE}/runs?after=x`} refreshUrl="/rows" />
  );
  const figures = {
    queued: 1_284,
    running: 50,
    limit: 50,
    delayed: { count: 100, more: true },
    failedLastHour: { count: 61, more: false },
  };
  return framed(
    [{ label: "Runs" }],
    <>
      {head("Runs")}
      <RunsFigures figures={figures} />
      {list}
    </>
  );
}

/** The run page. */
export function runStory(tab: "payload" | "logs" = "payload"): ReactElement {
  const run = runView();
  return framed(
    [
      { label: "Runs", href: `${BASE}/runs` },
      { label: "run_c1jn2k…4htz00", mono: true },
    ],
    <RunPage
      run={run}
      tab={tab}
      selectedSpan={"4".padStart(16, "0")}
      hrefOfTab={(name) => `?tab=${name}`}
      foldedHref="?"
      trueHref="?scale=true"
    />
  );
}

const token = { id: "1", name: "laptop", obfuscated: "tr_pat_9f2k…x41c", createdAt: NOW - 3_600_000, lastUsedAt: null };
const card = {
  id: "dev",
  slug: "dev" as const,
  secretKey: "tr_dev_7m3qabcdefgh0p08z",
  graceUntil: [NOW + 3_600_000],
  limit: 10,
  burstFactor: 1,
  running: 2,
  queued: 0,
  pausedAt: NOW - 60_000,
};

function variablesStory(edited: string): ReactElement {
  const variable = (name: string, isSecret: boolean) => {
    const editing = name === edited;
    return { name, isSecret, updatedAt: NOW - 3_600_000, value: editing ? "https://api.example" : null, editing };
  };
  const rows = [variable("API_KEY", true), variable("API_URL", false), variable("MAIL_FROM", false)];
  return <VariablesPage view={{ envSlug: "prod", asOf: NOW, rows, adding: null }} path={`${BASE}/variables`} refused={null} />;
}

export const stories: Record<string, () => ReactElement> = {
  runs: () => runsStory(),
  run: () => runStory(),
  "run-logs": () => runStory("logs"),
  login: () => (
    <LoginPage host="127.0.0.1:3030" version="0.1.0" problem={null}>
      <LoginForm next="/" email="admin@sluice.local" />
    </LoginPage>
  ),
  approve: () => <ApprovalPage state="pending" email="admin@sluice.local" host="127.0.0.1:3030" askedAt="14:32:08" expiresAt="14:42:08" />,
  "first-run": () =>
    framed(
      [{ label: "Runs" }],
      <FirstRun
        view={{
          origin: "http://127.0.0.1:3030",
          envSlug: "dev",
          connected: true,
          version: "20261121.1",
          tasks: ["hello-world"],
          secretKey: "tr_dev_7m3qabcdefgh0p08z",
          testHref: `${BASE}/test`,
          keysHref: `${BASE}/keys`,
        }}
      />
    ),
  keys: () =>
    framed(
      [{ label: "API keys" }],
      <>
        {head("API keys")}
        <div className="read">
          <EnvironmentCard card={card} asOf={NOW} current />
        </div>
      </>
    ),
  tokens: () =>
    framed(
      [{ label: "Access tokens" }],
      <>
        {head("Access tokens")}
        <div className="read">
          <NewTokenBanner token="tr_pat_0123456789" />
          <CreateToken error="The name of a token has 1 to 200 characters." />
          <TokensTable tokens={[token]} asOf={NOW} />
        </div>
      </>
    ),
  variables: () => framed([{ label: "Environment variables" }], variablesStory("API_URL")),
  test: () =>
    framed(
      [{ label: "Test" }],
      <>
        {head("Test a task")}
        <div className="read">
          <TestForm
            tasks={["hello-world"]}
            slug="dev"
            chosen="hello-world"
            payload="{ not json"
            error="The payload is not valid JSON."
            about="payload"
          />
        </div>
      </>
    ),
};
