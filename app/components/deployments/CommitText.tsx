import { GitBranch } from "lucide-react";
import type { CommitView } from "~/presenters/deployments/views";

/** Two lines of a table: the message, then commit, branch and client. */
export function CommitLines({ commit }: { commit: CommitView }) {
  return (
    <>
      <span className="cut block" title={commit.message ?? undefined}>
        {commit.message ?? <span className="muted">No commit message</span>}
      </span>
      <span className="l2">
        {commit.sha ? <span className="mono">{commit.sha}</span> : null}
        {commit.branch ? ` on ${commit.branch}` : null}
        {commit.sha || commit.branch ? ", " : null}
        {commit.from}
      </span>
    </>
  );
}

/** One line of a page head. */
export function CommitHead({ commit }: { commit: CommitView }) {
  return (
    <>
      {commit.branch ? (
        <span className="row" style={{ gap: 6 }}>
          <GitBranch className="i s" aria-hidden="true" />
          <span className="vh">Branch </span>
          {commit.branch}
        </span>
      ) : null}
      {commit.sha || commit.message ? (
        <span>
          {commit.sha ? <span className="mono">{commit.sha}</span> : null} {commit.message}
        </span>
      ) : null}
    </>
  );
}
