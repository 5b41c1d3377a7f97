import { Form, Link } from "@remix-run/react";
import { Ban, CircleCheck, RotateCw, TriangleAlert, Undo2, Upload } from "lucide-react";
import { CopyButton } from "~/components/ui/CopyButton";
import { FormToken, Submit } from "~/components/ui/forms";
import { Duration, Time } from "~/components/ui/Time";
import { plainWords, Words } from "~/components/ui/Words";
import { STEP_TITLES, DEPLOYMENT_WORDS } from "~/utils/deploymentWords";
import type { ActionName, DeploymentView, FactView, OutcomeView } from "~/presenters/deployments/views";
import { formatDuration } from "~/utils/format";
import { ActionMenu } from "./ActionMenu";
import { CommitHead } from "./CommitText";
import { DeploymentBadge } from "./DeploymentStatus";
import { Phases } from "./Phases";
import { HistoryPanel, TasksPanel } from "./Record";

type Props = { view: DeploymentView; onTouch?: () => void };

/** One deployment, on its way or as the record of it: the same rows, the same log. */
export function DeploymentPage({ view, onTouch }: Props) {
  return (
    <>
      <Head view={view} />
      <div className="pad cols depcols">
        <div className="stackcol">
          <div className="vh" role="status" aria-live="polite">
            {view.announce}
          </div>
          {view.outcome ? <Outcome outcome={view.outcome} /> : null}
          <Phases view={view} onTouch={onTouch} />
          {view.tasks.length > 0 ? <TasksPanel tasks={view.tasks} version={view.version} /> : null}
          {view.history.length > 0 ? <HistoryPanel history={view.history} version={view.version} asOf={view.asOf} /> : null}
        </div>
        <aside className="stackcol" aria-label="About this deployment">
          <Facts title={view.aside.title} facts={view.aside.facts} />
          <Facts title="Details" facts={view.details} />
          {view.terminal ? null : (
            <p className="meta muted">This page stays as the record of the deployment, with the same rows and logs.</p>
          )}
        </aside>
      </div>
    </>
  );
}

function Head({ view }: { view: DeploymentView }) {
  return (
    <section className="head">
      <div className="grow">
        <div className="row flex-wrap" style={{ gap: 10 }}>
          <h1 className="mono">{view.version}</h1>
          {view.current ? <span className="tag current">Current</span> : null}
          <DeploymentBadge status={view.status} />
          <span className="num soft name">
            {view.failure?.step ? `in ${STEP_TITLES[view.failure.step]}, after ` : null}
            <Duration ms={view.tookMs} open={!view.terminal} asOf={view.asOf} />
          </span>
        </div>
        <div className="row soft flex-wrap" style={{ gap: "4px 14px" }}>
          <CommitHead commit={view.commit} />
          <span>
            {sentenceCase(view.commit.from)}
            {view.by ? ` by ${view.by}` : null}, <Time ms={view.createdAt} nowMs={view.asOf} />
            {view.endedAt === null ? null : (
              <>
                {" to "}
                <Time ms={view.endedAt} nowMs={view.asOf} />
              </>
            )}
          </span>
        </div>
      </div>
      <HeadActions view={view} />
    </section>
  );
}

/** The main thing to do now as a button; everything else, with its reasons, in the menu. */
function HeadActions({ view }: { view: DeploymentView }) {
  const can = (name: ActionName) => view.actions.some((action) => action.name === name && action.reason === null);
  return (
    <div className="row acts">
      {view.failure ? <CopyButton text={reportText(view)} what="report" look="button" label="Copy report" /> : null}
      {can("confirm") ? (
        <Link className="btn primary" to={`${view.href}/promote`}>
          <CircleCheck className="i s" aria-hidden="true" />
          Keep {view.version} and resume
        </Link>
      ) : null}
      {can("promote") ? (
        <Link className="btn primary" to={`${view.href}/promote`}>
          <Upload className="i s" aria-hidden="true" />
          Promote {view.version}
        </Link>
      ) : null}
      {can("rollback") ? (
        <Link className="btn" to={`${view.href}/rollback`}>
          <Undo2 className="i s" aria-hidden="true" />
          Roll back to {view.version}
        </Link>
      ) : null}
      {view.failure && can("redeploy") ? (
        <Act view={view} name="redeploy" busy="Redeploying…" className="btn primary">
          <RotateCw className="i s" aria-hidden="true" />
          Redeploy
        </Act>
      ) : null}
      {can("cancel") ? (
        <Act view={view} name="cancel" busy="Canceling…" className="btn danger">
          <Ban className="i s" aria-hidden="true" />
          Cancel deployment
        </Act>
      ) : null}
      <ActionMenu version={view.version} href={view.href} actions={view.actions} />
    </div>
  );
}

type ActProps = { view: DeploymentView; name: ActionName; busy: string; className: string; children: React.ReactNode };

function Act({ view, name, busy, className, children }: ActProps) {
  return (
    <Form method="post" action={`${view.href}?index`}>
      <FormToken intent={name} />
      <Submit intent={name} busy={busy} className={className}>
        {children}
      </Submit>
    </Form>
  );
}

function Outcome({ outcome }: { outcome: OutcomeView }) {
  const Icon = outcome.kind === "ok" ? CircleCheck : TriangleAlert;
  return (
    <div className={`banner c-${outcome.kind}`} role="note">
      <Icon className="i" aria-hidden="true" />
      <div className="grow">
        <b>
          <Words words={outcome.title} />
        </b>
        <p>{outcome.text}</p>
      </div>
      {outcome.link ? (
        <div className="acts">
          <Link className="btn sm" to={outcome.link.href}>
            {outcome.link.label}
          </Link>
        </div>
      ) : null}
    </div>
  );
}

function Facts({ title, facts }: { title: string; facts: readonly FactView[] }) {
  return (
    <section className="panel boxed" aria-label={title}>
      <h2>{title}</h2>
      <dl className="facts">
        {facts.map((fact) => (
          <div key={fact.name} className="contents">
            <dt>{fact.name}</dt>
            <dd className="num min-w-0">
              <Words words={fact.value} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** What one would paste into a message: versions, phase, error, where, why, next, full text. */
export function reportText(view: DeploymentView): string {
  const { failure } = view;
  const words = plainWords;
  const lines = [
    `Deployment ${view.version} (${view.shortCode}): ${DEPLOYMENT_WORDS[view.status]}, after ${formatDuration(view.tookMs)}`,
    ...(failure ? [failure.title, `Where: ${words(failure.where)}`, `Why: ${words(failure.why)}`, `Next: ${words(failure.next)}`] : []),
    ...view.phases.map((row) => `${row.title}: ${row.state}, ${row.text}`),
    ...view.details.map((fact) => `${fact.name}: ${words(fact.value)}`),
    ...(failure ? ["", failure.full] : []),
  ];
  return lines.join("\n");
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
