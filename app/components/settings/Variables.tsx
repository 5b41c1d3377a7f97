import { Link } from "@remix-run/react";
import { Eye, EyeOff, Pencil, Plus } from "lucide-react";
import { CopyButton } from "~/components/ui/CopyButton";
import { Revoke } from "~/components/ui/Revoke";
import { Time } from "~/components/ui/Time";
import type { RefusedVariable } from "~/api/variablesForm.server";
import type { VariableRow, VariablesView } from "~/presenters/variables.server";
import { plural } from "~/utils/format";
import { VariableForm } from "./VariableForm";

type Props = { view: VariablesView; path: string; refused: RefusedVariable | null };

/** The list, one variable revealed or edited at a time; the address says which, so everything works without JavaScript. */
export function VariablesPage({ view, path, refused }: Props) {
  const created = refused?.intent === "create" ? refused : null;
  const start = created ?? (view.adding === null ? null : { name: view.adding, value: "", isSecret: false });
  return (
    <>
      <Head envSlug={view.envSlug} addHref={start === null ? `${path}?add=` : null} />
      <div className="read wide">
        {start === null ? null : (
          <section className="panel" aria-labelledby="new-variable">
            <header>
              <h2 id="new-variable">New variable of {view.envSlug}</h2>
            </header>
            <VariableForm intent="create" start={start} error={created?.error ?? null} cancel={view.rows.length > 0 ? path : null} />
          </section>
        )}
        <VariablesTable view={view} path={path} refused={refused} />
      </div>
    </>
  );
}

function Head({ envSlug, addHref }: { envSlug: string; addHref: string | null }) {
  return (
    <section className="head">
      <div className="grow">
        <h1>Environment variables</h1>
        <p className="soft">Runs of {envSlug} get them when they start. A change reaches the next run; what executes keeps what it has.</p>
      </div>
      {addHref === null ? null : (
        <div className="acts">
          <Link className="btn primary" to={addHref}>
            <Plus className="i s" aria-hidden="true" />
            Add variable
          </Link>
        </div>
      )}
    </section>
  );
}

function VariablesTable({ view, path, refused }: Props) {
  if (view.rows.length === 0) return <p className="empty">{view.envSlug} has no variables yet. The form above adds the first one.</p>;
  return (
    <section className="panel" aria-label={`Variables of ${view.envSlug}`}>
      <header>
        <h2>{plural(view.rows.length, "variable")}</h2>
      </header>
      <table className="inset stack vars">
        <caption>Environment variables of {view.envSlug}, by name</caption>
        <colgroup>
          <col style={{ width: "34%" }} />
          <col />
          <col className="hide-sm" style={{ width: 110 }} />
          <col style={{ width: 216 }} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
            <th scope="col" className="hide-sm">
              Changed
            </th>
            <th scope="col" className="right">
              <span className="vh">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {view.rows.map((row) =>
            row.editing ? (
              <EditRow key={row.name} row={row} path={path} refused={refused?.name === row.name ? refused : null} />
            ) : (
              <Row key={row.name} row={row} path={path} asOf={view.asOf} />
            )
          )}
        </tbody>
      </table>
    </section>
  );
}

function Row({ row, path, asOf }: { row: VariableRow; path: string; asOf: number }) {
  return (
    <tr id={row.name} className={row.value === null ? undefined : "open"}>
      <td className="mono name v-name">
        {row.name} {row.isSecret ? <span className="tag">secret</span> : null}
      </td>
      <td className="v-value">
        <Value row={row} />
      </td>
      <td className="num muted hide-sm">
        <Time ms={row.updatedAt} nowMs={asOf} />
      </td>
      <td className="v-acts">
        <RowActions row={row} path={path} />
      </td>
    </tr>
  );
}

function Value({ row }: { row: VariableRow }) {
  if (row.isSecret) return <span className="muted">Never shown</span>;
  if (row.value === null) {
    return (
      <span className="muted">
        <span aria-hidden="true">••••••••</span>
        <span className="vh">Masked</span>
      </span>
    );
  }
  if (row.value === "") return <span className="muted">Empty</span>;
  return (
    <span className="secret">
      <code className="mono whole">{row.value}</code>
      <CopyButton text={row.value} what={`value of ${row.name}`} />
    </span>
  );
}

function RowActions({ row, path }: { row: VariableRow; path: string }) {
  const address = (ask: "reveal" | "edit") => `${path}?${ask}=${encodeURIComponent(row.name)}`;
  const isShown = row.value !== null;
  const Icon = isShown ? EyeOff : Eye;
  return (
    <span className="row">
      {row.isSecret ? null : (
        <Link
          className="btn sm"
          to={isShown ? path : address("reveal")}
          preventScrollReset
          aria-label={`${isShown ? "Hide" : "Reveal"} value of ${row.name}`}
        >
          <Icon className="i s" aria-hidden="true" />
          {isShown ? "Hide" : "Reveal"}
        </Link>
      )}
      <Link className="btn sm" to={address("edit")} preventScrollReset aria-label={`Edit ${row.name}`}>
        <Pencil className="i s" aria-hidden="true" />
        Edit
      </Link>
      <Revoke
        verb="Delete"
        noun="variable"
        intent="delete"
        field="name"
        id={row.name}
        label={`Delete ${row.name}`}
        text={`Runs that start from now on do not have ${row.name}. This cannot be undone.`}
      />
    </span>
  );
}

type EditProps = { row: VariableRow; path: string; refused: RefusedVariable | null };

function EditRow({ row, path, refused }: EditProps) {
  const start = { name: row.name, value: refused?.value ?? row.value ?? "", isSecret: row.isSecret };
  return (
    <tr id={row.name} className="edit">
      <td colSpan={4}>
        <VariableForm intent="update" start={start} error={refused?.error ?? null} cancel={path} />
      </td>
    </tr>
  );
}
