import { Link } from "@remix-run/react";
import { barScale } from "~/components/runs/RunsTable";
import { Duration, EmptyValue, Time } from "~/components/ui/Time";
import { plainWords, Words } from "~/components/ui/Words";
import type { DeploymentRow } from "~/presenters/deployments/views";
import { formatDuration } from "~/utils/format";
import { ActionMenu } from "./ActionMenu";
import { CommitLines } from "./CommitText";
import { DeploymentStatus } from "./DeploymentStatus";

const WIDTHS = ["190px", undefined, "236px", "54px", "112px", "98px", "104px", "140px", "52px"];

type Props = { rows: readonly DeploymentRow[]; asOf: number; caption: string };

/** The deployments table: two lines a row, the current one with an accent edge. */
export function DeploymentsTable({ rows, asOf, caption }: Props) {
  const scale = barScale(rows);
  return (
    <table className="stack two deps">
      <caption>{caption}</caption>
      <colgroup>
        {WIDTHS.map((width, i) => (
          <col key={i} style={width ? { width } : undefined} />
        ))}
      </colgroup>
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Status</th>
          <th scope="col">Commit</th>
          <th scope="col" className="right">
            Tasks
          </th>
          <th scope="col">Regions</th>
          <th scope="col">Phases (log)</th>
          <th scope="col" className="right">
            Took
          </th>
          <th scope="col" className="right">
            Deployed
          </th>
          <th scope="col">
            <span className="vh">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Row key={row.id} row={row} asOf={asOf} scale={scale} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ row, asOf, scale }: { row: DeploymentRow; asOf: number; scale: (ms: number) => number }) {
  const look = [row.current ? "cur" : "", row.wanted ? "want" : ""].filter(Boolean).join(" ") || undefined;
  return (
    <tr className={look} data-version={row.version} data-status={row.status}>
      <td className="m-v">
        <Link className="mono ver" to={row.href} prefetch="intent" data-row-link>
          {row.version}
        </Link>
        {row.current ? <span className="tag current ml-2">Current</span> : null}
        <span className="l2 mono">{row.shortCode}</span>
      </td>
      <td className="m-s full">
        <DeploymentStatus status={row.status} />
        <span className="l2" title={plainWords(row.note)}>
          <Words words={row.note} />
        </span>
      </td>
      <td className="hide-sm">
        <CommitLines commit={row.commit} />
      </td>
      <td className="right num hide-sm">{row.tasks ?? <EmptyValue />}</td>
      <td className="hide-sm num soft">{row.regions ?? <EmptyValue />}</td>
      <td className="hide-sm">
        <PhaseBar row={row} scale={scale} />
      </td>
      <td className="right num soft hide-sm">
        <Duration ms={row.tookMs} open={row.running} asOf={asOf} />
      </td>
      <td className="right num muted m-w">
        <Time ms={row.at} nowMs={asOf} />
      </td>
      <td className="right m-act">
        <ActionMenu version={row.version} href={row.href.replace(/\/progress$/, "")} actions={row.actions} />
      </td>
    </tr>
  );
}

const TONES: Record<string, string> = { queue: "queued", run: "a phase", fail: "failed phase" };

function PhaseBar({ row, scale }: { row: DeploymentRow; scale: (ms: number) => number }) {
  const total = row.bar.reduce((sum, part) => sum + part.ms, 0);
  if (total <= 0) return null;
  const title = row.bar.map((part) => `${TONES[part.tone] ?? part.tone} ${formatDuration(part.ms)}`).join(", ");
  return (
    <span className="mini" style={{ width: `${scale(total)}%` }} title={title}>
      {row.bar.map((part, i) => (
        <span key={i} className={`t-${part.tone}`} style={{ flex: Math.max(1, part.ms) }} />
      ))}
    </span>
  );
}
