import { ChevronRight } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Duration } from "~/components/ui/Time";
import { useElapsed } from "~/hooks/useElapsed";
import type { DeploymentView, PhaseView } from "~/presenters/deployments/views";
import { formatDuration } from "~/utils/format";
import { phaseLook } from "./DeploymentStatus";
import { FailurePanel, FullError } from "./FailurePanel";
import { LogViewer } from "./LogViewer";
import { InstancesTable, RegionCards } from "./RegionsOfDeployment";

type Props = {
  view: DeploymentView;
  /** The reader opened or closed a row: then the page does not go away by itself. */
  onTouch?: () => void;
};

/** The six rows. The active one and the failed one are open. */
export function Phases({ view, onTouch }: Props) {
  return (
    <section className="panel" aria-label="Phases">
      <ol className="phases">
        {view.phases.map((row) => (
          <PhaseRow key={row.step} row={row} view={view} onTouch={onTouch} />
        ))}
      </ol>
    </section>
  );
}

type RowProps = { row: PhaseView; view: DeploymentView; onTouch: (() => void) | undefined };

function PhaseRow({ row, view, onTouch }: RowProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const opensItself = row.state === "active" || row.state === "error";
  useEffect(() => {
    if (holdsLinkedLine(row)) setChosen(true);
    // Once: the link is in the address that the page was opened with.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  const body = bodyOf(row, view);
  const open = chosen ?? opensItself;
  return (
    <li className={row.state} data-step={row.step} data-state={row.state}>
      {body === null ? (
        <Line row={row} asOf={view.asOf} arrow={false} />
      ) : (
        <details open={open}>
          <summary
            onClick={(event) => {
              event.preventDefault();
              setChosen(!open);
              onTouch?.();
            }}
          >
            <Line row={row} asOf={view.asOf} arrow />
          </summary>
          {body}
        </details>
      )}
    </li>
  );
}

function Line({ row, asOf, arrow }: { row: PhaseView; asOf: number; arrow: boolean }) {
  const { icon: Icon, family } = phaseLook(row);
  const ended = row.state === "skipped" || (row.state === "error" && row.interrupted);
  return (
    <div className={`ph c-${family}`}>
      <span className="ic">
        <Icon className="i" aria-hidden="true" />
        <span className="vh">{STATE_WORDS[row.state]}: </span>
      </span>
      <span className="ti">{row.title}</span>
      <span className="tx">{row.text}</span>
      <span className="us">{row.usuallyMs === null || ended ? null : `usually ${formatDuration(row.usuallyMs)}`}</span>
      <span className="du">
        {row.durationMs === null ? null : <Duration ms={row.durationMs} open={row.state === "active"} asOf={asOf} />}
      </span>
      {arrow ? <ChevronRight className="i s ar" aria-hidden="true" /> : <span className="ar" />}
    </div>
  );
}

const STATE_WORDS: Record<PhaseView["state"], string> = {
  pending: "not started",
  active: "in progress",
  completed: "done",
  error: "failed",
  skipped: "skipped",
};

/** Null for a row without anything below it. */
function bodyOf(row: PhaseView, view: DeploymentView): ReactNode {
  const shown = row.state !== "pending";
  const parts = [
    row.state === "active" && row.usuallyMs !== null ? <PhaseProgress key="progress" row={row} asOf={view.asOf} /> : null,
    errorOf(row, view),
    shown && row.step === "deploying" && view.regions.length > 0 ? <Regions key="regions" view={view} /> : null,
    row.log ? <LogViewer key="log" log={row.log} title={row.title} href={view.logHref} live={row.state === "active"} /> : null,
  ];
  return parts.some((part) => part !== null) ? <div className="phbody">{parts}</div> : null;
}

/** The explained failure in its own row; elsewhere the full text, where it says more than the sentence. */
function errorOf(row: PhaseView, { failure, variablesHref }: DeploymentView): ReactNode {
  if (row.state !== "error") return null;
  if (failure && (failure.step === row.step || failure.step === null))
    return <FailurePanel key="failure" failure={failure} variablesHref={variablesHref} />;
  if (!row.error?.includes("\n")) return null;
  return (
    <div key="error">
      <FullError text={row.error} />
    </div>
  );
}

function Regions({ view }: { view: DeploymentView }) {
  return (
    <>
      <RegionCards regions={view.regions} />
      {view.instances.length > 0 ? (
        <InstancesTable instances={view.instances} version={view.version} asOf={view.asOf} live={!view.terminal} />
      ) : null}
    </>
  );
}

/** Elapsed against usual; past the usual it stays full and the sentence says so. */
function PhaseProgress({ row, asOf }: { row: PhaseView; asOf: number }) {
  const elapsed = useElapsed(asOf, true);
  const ms = (row.durationMs ?? 0) + elapsed;
  const usual = row.usuallyMs ?? 1;
  const percent = Math.min(100, Math.round((ms / Math.max(1, usual)) * 100));
  return (
    <div
      className="prog"
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-label={`${row.title}: ${formatDuration(ms)} of usually ${formatDuration(usual)}`}
    >
      <i style={{ width: `${percent}%` }} />
    </div>
  );
}

function holdsLinkedLine(row: PhaseView): boolean {
  const seq = Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? Number.NaN);
  const last = row.log?.lines.at(-1)?.seq ?? -1;
  return row.log !== null && seq >= row.log.firstSeq && seq <= last;
}
