import { Words } from "~/components/ui/Words";
import type { RunView } from "~/presenters/views";
import { Lifecycle } from "./timeline/Lifecycle";

/** Beside the timeline: what happened, and the facts that are needed now and then. */
export function RunAside({ run }: { run: RunView }) {
  return (
    <aside className="stackcol" aria-label="About this run">
      <Lifecycle entries={run.lifecycle} />
      <section className="panel" style={{ padding: "12px 14px 14px" }}>
        <h2 style={{ marginBottom: 8 }}>Details</h2>
        <dl className="facts">
          {run.tags.length > 0 ? (
            <>
              <dt>Tags</dt>
              <dd className="row flex-wrap" style={{ gap: 4 }}>
                {run.tags.map((tag) => (
                  <span key={tag} className="tag">
                    {tag}
                  </span>
                ))}
              </dd>
            </>
          ) : null}
          {run.facts.map((fact) => (
            <div key={fact.name} className="contents">
              <dt>{fact.name}</dt>
              <dd className="num min-w-0">
                <Words words={fact.value} />
              </dd>
            </div>
          ))}
        </dl>
      </section>
    </aside>
  );
}
