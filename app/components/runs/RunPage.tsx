import type { RunView } from "~/presenters/views";
import { DataPanel, type DataTab } from "./DataPanel";
import { RunAside } from "./RunAside";
import { RunHead } from "./RunHead";
import { SpanPanel } from "./timeline/SpanPanel";
import { Timeline } from "./timeline/Timeline";
import { WhyPanel } from "./WhyPanel";

export type RunPageProps = {
  run: RunView;
  tab: DataTab;
  selectedSpan: string | null;
  hrefOfTab: (tab: DataTab) => string;
  foldedHref: string;
  trueHref: string;
};

/** One run: why it waits, where its time went, what happened, and its data. */
export function RunPage({ run, tab, selectedSpan, hrefOfTab, foldedHref, trueHref }: RunPageProps) {
  return (
    <>
      <RunHead run={run} />
      <WhyPanel run={run} />
      <div className="pad cols runcols">
        <div className="stackcol">
          <Timeline view={run.timeline} asOf={run.asOf} selected={selectedSpan} foldedHref={foldedHref} trueHref={trueHref} />
          {run.span ? <SpanPanel span={run.span} /> : null}
          <DataPanel run={run} tab={tab} hrefOf={hrefOfTab} />
        </div>
        <RunAside run={run} />
      </div>
    </>
  );
}
