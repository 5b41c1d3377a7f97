import { CircleX } from "lucide-react";
import type { ErrorView } from "~/presenters/views";

/** What failed, with its name, its message and where. `title` says which attempt and what came of it. */
export function ErrorPanel({ title, view }: { title: string; view: ErrorView }) {
  return (
    <div className="errcol">
      <div className="row c-bad" style={{ gap: 6 }}>
        <CircleX className="i s text-bad" aria-hidden="true" />
        <span className="name">{title}</span>
      </div>
      <p className="mono my-1 text-bad">{view.message ? `${view.name}: ${view.message}` : view.name}</p>
      {view.stack ? (
        <pre className="mono soft max-h-64 overflow-auto whitespace-pre-wrap" tabIndex={0} aria-label="Stack trace">
          {view.stack}
        </pre>
      ) : null}
    </div>
  );
}
