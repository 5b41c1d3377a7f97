import { Link } from "@remix-run/react";
import { CopyButton } from "~/components/ui/CopyButton";
import { Words } from "~/components/ui/Words";
import type { FailureView } from "~/presenters/deployments/views";

type Props = { failure: FailureView; variablesHref: string };

/** The error, then where, why and next; the full text on request. A variable that was missed is one click away. */
export function FailurePanel({ failure, variablesHref }: Props) {
  return (
    <div className="errbox">
      <p className="mono">{failure.title}</p>
      <dl className="facts">
        <dt>Where</dt>
        <dd>
          <Words words={failure.where} />
        </dd>
        <dt>Why</dt>
        <dd>
          <Words words={failure.why} />
        </dd>
        <dt>Next</dt>
        <dd>
          <Words words={failure.next} />
        </dd>
      </dl>
      <div className="acts">
        {failure.missing === null ? null : (
          <Link className="btn sm" to={`${variablesHref}?add=${encodeURIComponent(failure.missing.name)}`}>
            Add {failure.missing.name} to {failure.missing.envSlug}
          </Link>
        )}
        <FullError text={failure.full} />
      </div>
    </div>
  );
}

/** Everything that was kept of an error, folded. */
export function FullError({ text }: { text: string }) {
  return (
    <details>
      <summary className="btn sm">View full error</summary>
      <div className="mt-2">
        <CopyButton text={text} what="full error" look="text" />
      </div>
      <pre className="code wrap">{text}</pre>
    </details>
  );
}
