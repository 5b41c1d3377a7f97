import { GradeIcon } from "~/components/ui/GradeIcon";
import { Time } from "~/components/ui/Time";
import { Words } from "~/components/ui/Words";
import type { LifecycleEntry } from "~/presenters/views";

/** What happened to the run, oldest first, each with its time. */
export function Lifecycle({ entries }: { entries: readonly LifecycleEntry[] }) {
  return (
    <section className="panel" style={{ padding: "12px 14px 14px" }}>
      <h2 style={{ marginBottom: 10 }}>Lifecycle</h2>
      <ol className="life">
        {entries.map((entry, i) => (
          <li key={i} className={`c-${entry.icon}`}>
            <GradeIcon grade={entry.icon} />
            <div className="min-w-0">
              <span className={entry.at === null ? "muted" : "name"}>{entry.title}</span>
              {entry.note.length > 0 ? (
                <p>
                  <Words words={entry.note} />
                </p>
              ) : null}
            </div>
            <span className="t">{entry.at === null ? "" : <Time ms={entry.at} fine />}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
