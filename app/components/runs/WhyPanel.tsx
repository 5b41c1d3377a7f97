import { StatusIcon } from "~/components/ui/Status";
import { Words } from "~/components/ui/Words";
import type { RunView } from "~/presenters/views";
import { SplitBar } from "./timeline/SplitBar";

/** Why the run waits, beside how its time was spent. The reason is announced when it changes. */
export function WhyPanel({ run }: { run: RunView }) {
  return (
    <div className="pad" style={{ paddingBottom: 12 }}>
      <div className={run.wait ? "panel why" : "panel why only"}>
        {run.wait ? (
          <div aria-live="polite">
            <div className="row" style={{ alignItems: "flex-start", gap: 10 }}>
              <span style={{ marginTop: 2 }}>
                <StatusIcon status={run.status} />
              </span>
              <div className="min-w-0">
                <p>
                  <b>{run.wait.title}</b>
                </p>
                <p className="soft mt-0.5">
                  <Words words={run.wait.text} />
                </p>
              </div>
            </div>
          </div>
        ) : null}
        <div>
          <SplitBar split={run.split} asOf={run.asOf} />
        </div>
      </div>
    </div>
  );
}
