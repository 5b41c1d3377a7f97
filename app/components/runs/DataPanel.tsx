import { Link } from "@remix-run/react";
import { CopyButton } from "~/components/ui/CopyButton";
import { Time } from "~/components/ui/Time";
import type { DataView, LogLine, RunView } from "~/presenters/views";
import { formatBytes } from "~/utils/format";
import { ErrorPanel } from "./ErrorPanel";
import { JsonView } from "./JsonView";

export const DATA_TABS = ["payload", "output", "error", "metadata", "logs"] as const;
export type DataTab = (typeof DATA_TABS)[number];
const NAMES: Record<DataTab, string> = { payload: "Payload", output: "Output", error: "Error", metadata: "Metadata", logs: "Logs" };

type Props = { run: RunView; tab: DataTab; hrefOf: (tab: DataTab) => string };

/** Payload, output, error, metadata and logs; the tab is in the URL, so it can be linked and needs no JavaScript. */
export function DataPanel({ run, tab, hrefOf }: Props) {
  const shown = tab === "payload" || tab === "output" || tab === "metadata" ? run[tab] : null;
  return (
    <section className="panel" aria-label="Data">
      <header style={{ padding: "0 6px 0 12px" }}>
        <nav className="tabs" aria-label="Data of this run">
          {DATA_TABS.map((name) => (
            <Link key={name} to={hrefOf(name)} preventScrollReset aria-current={name === tab ? "true" : undefined}>
              {NAMES[name]} <span className="muted num">{noteOf(run, name)}</span>
            </Link>
          ))}
        </nav>
        <span className="grow" />
        {shown && (shown.kind === "json" || shown.kind === "text") ? <CopyButton text={shown.text} what={NAMES[tab]} look="text" /> : null}
      </header>
      <TabBody run={run} tab={tab} />
    </section>
  );
}

function noteOf(run: RunView, tab: DataTab): string {
  if (tab === "logs") return run.logs.length > 0 ? String(run.logs.length) : "";
  if (tab === "error") return run.error ? "1" : "";
  const data = run[tab];
  return data.kind === "json" || data.kind === "text" ? formatBytes(data.bytes) : "";
}

function TabBody({ run, tab }: { run: RunView; tab: DataTab }) {
  switch (tab) {
    case "payload":
      return <PayloadAndOutcome run={run} />;
    case "output":
      return <JsonView data={run.output} empty={run.final ? "This run returned nothing." : "There is no output yet."} />;
    case "metadata":
      return <JsonView data={run.metadata} empty="This run has no metadata." />;
    case "error":
      return run.error ? <ErrorPanel {...run.error} /> : <p className="muted px-3.5 py-2.5">No attempt of this run has failed.</p>;
    case "logs":
      return <Logs lines={run.logs} cut={run.logsCut} />;
  }
}

/** The payload, and beside it what came of it: the error, or the output once there is one. */
function PayloadAndOutcome({ run }: { run: RunView }) {
  const payload = <JsonView data={run.payload} empty="This run was triggered without a payload." />;
  if (run.error && run.status !== "COMPLETED") {
    return (
      <div className="datacols">
        {payload}
        <ErrorPanel {...run.error} />
      </div>
    );
  }
  if (!hasValue(run.output)) return <div className="datacols one">{payload}</div>;
  return (
    <div className="datacols">
      {payload}
      <div className="errcol" style={{ padding: 0 }}>
        <h3 className="px-3.5 pt-2.5">Output</h3>
        <JsonView data={run.output} empty="" />
      </div>
    </div>
  );
}

function hasValue(data: DataView): boolean {
  return data.kind !== "none";
}

function Logs({ lines, cut }: { lines: readonly LogLine[]; cut: boolean }) {
  if (lines.length === 0) return <p className="muted px-3.5 py-2.5">This run has logged nothing.</p>;
  return (
    <>
      <ol className="loglines">
        {lines.map((line) => (
          <li key={line.id} className={line.kind === "error" ? "e" : line.kind === "warn" ? "w" : undefined}>
            <Time ms={line.at} fine />
            <span className="lv">{line.level}</span>
            <span className="tx">{line.text}</span>
          </li>
        ))}
      </ol>
      {cut ? <p className="meta muted px-3.5 py-2">Only the first {lines.length} lines are shown.</p> : null}
    </>
  );
}
