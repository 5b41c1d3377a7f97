import { Link } from "@remix-run/react";
import { Undo2 } from "lucide-react";
import { RunsFilters } from "~/components/runs/RunsFilters";
import { CopyButton } from "~/components/ui/CopyButton";
import { NoRows, PageLinks } from "~/components/ui/Paging";
import { Time } from "~/components/ui/Time";
import type { DeploymentListView, RolledBackView } from "~/presenters/deployments/views";
import { DeploymentsTable } from "./DeploymentsTable";

/** Banner, filters, table and paging footer. */
export function DeploymentsList({ view, place }: { view: DeploymentListView; place: string }) {
  if (view.first) return <FirstDeployment {...view.first} />;
  return (
    <>
      {view.rolledBack ? <RolledBackBanner view={view.rolledBack} asOf={view.asOf} /> : null}
      <RunsFilters filters={view.filters}>
        <span className="grow hide-sm" />
        <span className="legend hide-sm">
          <span>
            <i className="sw t-queue" />
            Queued
          </span>
          <span>
            <i className="sw t-run" />
            Running its phases
          </span>
          <span>
            <i className="sw t-fail" />
            Failed phase
          </span>
        </span>
      </RunsFilters>
      {view.rows.length === 0 ? (
        <NoRows noun="deployment" filters={view.filters} />
      ) : (
        <DeploymentsTable rows={view.rows} asOf={view.asOf} caption={`Deployments of ${place}, newest first`} />
      )}
      <span className="grow" />
      <DeploymentsPager view={view} />
    </>
  );
}

/** Automatic promotion is paused: what is current, and the two ways out. */
export function RolledBackBanner({ view, asOf }: { view: RolledBackView; asOf: number }) {
  return (
    <div className="pad" style={{ paddingBottom: 14 }}>
      <div className="banner c-hold" role="status">
        <Undo2 className="i" aria-hidden="true" />
        <div className="grow">
          <b>
            Automatic promotion is paused. Current is <span className="mono">{view.current}</span>.
          </b>
          <p>
            {view.from ? (
              <>
                Rolled back from <span className="mono">{view.from.version}</span>
              </>
            ) : (
              "Rolled back"
            )}
            {view.at === null ? null : (
              <>
                {" at "}
                <Time ms={view.at} nowMs={asOf} />
              </>
            )}
            {view.by ? ` by ${view.by}` : null}. New deployments still run all phases, but none becomes current until you promote one or
            keep this version.
          </p>
        </div>
        <div className="acts">
          {view.from ? (
            <Link className="btn sm" to={`${view.from.href}/promote`}>
              Promote {view.from.version} again
            </Link>
          ) : null}
          <Link className="btn sm" to={`${view.currentHref}/promote`}>
            Keep {view.current} and resume
          </Link>
        </div>
      </div>
    </div>
  );
}

function DeploymentsPager({ view }: { view: DeploymentListView }) {
  const [newest, oldest] = [view.rows[0], view.rows.at(-1)];
  return (
    <footer className="pager">
      <span className="num cut">{newest && oldest ? `${newest.version} to ${oldest.version}` : "Nothing is shown"}</span>
      <span className="grow" />
      <PageLinks noun="deployment" newerHref={view.newerHref} olderHref={view.olderHref} />
    </footer>
  );
}

function FirstDeployment({ sentence, command }: { sentence: string; command: string }) {
  return (
    <div className="empty">
      <p>{sentence}</p>
      <p className="secret">
        <code className="mono">{command}</code>
        <CopyButton text={command} what="command" />
      </p>
    </div>
  );
}
