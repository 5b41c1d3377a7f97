import { Time } from "~/components/ui/Time";
import { Words } from "~/components/ui/Words";
import type { PromotionLine, TaskLine } from "~/presenters/deployments/views";
import { plural } from "~/utils/format";

/** What the version can run. */
export function TasksPanel({ tasks, version }: { tasks: readonly TaskLine[]; version: string }) {
  return (
    <section className="panel" aria-labelledby="tasks-title">
      <header>
        <h2 id="tasks-title">{plural(tasks.length, "task")}</h2>
      </header>
      <table className="inset">
        <caption>Tasks of {version}</caption>
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">File</th>
            <th scope="col" className="hide-sm">
              Schedule, queue, machine
            </th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <tr key={task.slug}>
              <td className="mono name">{task.slug}</td>
              <td className="mono soft" title={task.file}>
                {task.file}
              </td>
              <td className="soft hide-sm">{task.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Every time the environment's pointer went to this version or away from it, newest first. */
export function HistoryPanel({ history, version, asOf }: { history: readonly PromotionLine[]; version: string; asOf: number }) {
  return (
    <section className="panel" aria-labelledby="history-title">
      <header>
        <h2 id="history-title">Promotion history</h2>
      </header>
      <table className="inset stack history">
        <caption>Promotion history of {version}, newest first</caption>
        <colgroup>
          <col />
          <col style={{ width: "32%" }} />
          <col style={{ width: 130 }} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">By</th>
            <th scope="col" className="right">
              When
            </th>
          </tr>
        </thead>
        <tbody>
          {history.map((line) => (
            <tr key={line.generation}>
              <td>
                <Words words={line.text} />
              </td>
              <td className="soft">{line.by}</td>
              <td className="right num muted">
                <Time ms={line.at} nowMs={asOf} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
