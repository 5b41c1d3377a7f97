import { Link } from "@remix-run/react";
import { CircleCheck, Terminal } from "lucide-react";
import type { ReactNode } from "react";
import { CopyButton } from "~/components/ui/CopyButton";
import type { FirstRunView } from "~/presenters/views";
import { maskSecret, plural } from "~/utils/format";

/** What to do before there is any run: three lines, and a place that opens the first one. */
export function FirstRun({ view }: { view: FirstRunView }) {
  const task = view.tasks[0] ?? "hello-world";
  const url = `export TRIGGER_API_URL=${view.origin}`;
  const trigger = (key: string) =>
    `curl -H "Authorization: Bearer ${key}" -d '{"payload":{"name":"Ada"}}' \\\n  -H "Content-Type: application/json" \\\n  ${view.origin}/api/v1/tasks/${task}/trigger`;
  return (
    <div className="fr">
      <header>
        <h1>Trigger your first task</h1>
        <p className="soft mt-1">
          Three lines, in a project that uses <span className="mono">@trigger.dev/sdk</span>.
        </p>
      </header>
      <ol className="steps">
        <Step no={1} title="Point the CLI at this server" copy={`${url} TRIGGER_ACCESS_TOKEN=`}>
          <p className="soft">
            The token is in <span className="mono">.sluice/credentials.json</span>, or make one under{" "}
            <Link className="link" to="/account/tokens">
              Access tokens
            </Link>
            .
          </p>
          <Code>
            export TRIGGER_API_URL=<span className="s">{view.origin}</span> TRIGGER_ACCESS_TOKEN=<span className="s">tr_pat_…</span>
          </Code>
        </Step>
        <Step no={2} title="Connect your code" copy="npx trigger.dev@4.8.3 dev" after={<Connection view={view} />}>
          <p className="soft">Builds your tasks, registers them here and runs them on your machine.</p>
          <Code>npx trigger.dev@4.8.3 dev</Code>
        </Step>
        <Step no={3} title="Trigger it" copy={trigger(view.secretKey)}>
          <p className="soft">
            Or call <span className="mono">tasks.trigger("{task}", …)</span> from your app with the same key.
          </p>
          <Code>{trigger(maskSecret(view.secretKey))}</Code>
        </Step>
      </ol>
      <div className="waiting" role="status" aria-live="polite">
        <span className="dot pulse" />
        <div className="grow">
          <b>Waiting for your first run</b>
          <p className="soft">It appears here the moment it is accepted. You can leave this page, nothing is lost.</p>
        </div>
        <Link className="btn" to={view.testHref}>
          <Terminal className="i s" aria-hidden="true" />
          Trigger from the Test page
        </Link>
      </div>
      <p className="meta muted">
        Keys are shown in full under{" "}
        <Link className="link" to={view.keysHref}>
          API keys
        </Link>{" "}
        and in <span className="mono">.sluice/credentials.json</span>. This page becomes the runs list after the first run.
      </p>
    </div>
  );
}

type StepProps = { no: number; title: string; copy: string; children: [ReactNode, ReactNode]; after?: ReactNode };

function Step({ no, title, copy, children, after }: StepProps) {
  const [words, code] = children;
  return (
    <li>
      <span className="no">{no}</span>
      <div className="min-w-0">
        <b>{title}</b>
        {words}
        <div className="codeline">
          {code}
          <CopyButton text={copy} what={`line ${no}`} look="text" />
        </div>
        {after}
      </div>
    </li>
  );
}

function Code({ children }: { children: ReactNode }) {
  return <pre className="code">{children}</pre>;
}

function Connection({ view }: { view: FirstRunView }) {
  if (!view.version || view.connected === false) return null;
  return (
    <p className="row meta mt-2 text-ok">
      <CircleCheck className="i s" aria-hidden="true" />
      <span>
        <b>Connected.</b>{" "}
        <span className="soft">
          {plural(view.tasks.length, "task")} in version {view.version}: <span className="mono">{view.tasks.slice(0, 5).join(", ")}</span>
        </span>
      </span>
    </p>
  );
}
