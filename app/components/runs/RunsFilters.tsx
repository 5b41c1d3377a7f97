import { Link } from "@remix-run/react";
import { CircleDashed, Plus, X } from "lucide-react";
import type { ReactNode } from "react";
import type { FiltersView } from "~/presenters/runs/runFilters";

/** Chips in one row, all in the URL. A chip removes itself with one click; a dashed one adds. Children: the actions. */
export function RunsFilters({ filters, children }: { filters: FiltersView; children?: ReactNode }) {
  return (
    <div className="filters" role="group" aria-label="Filters">
      {filters.chips.map((chip) => (
        <span className="chip" key={`${chip.name}=${chip.value}`}>
          <span className="k">{chip.label}</span>
          <b>{chip.word}</b>
          <Link to={chip.removeHref} aria-label={`Remove filter ${chip.label} ${chip.word}`}>
            <X className="i xs" aria-hidden="true" />
          </Link>
        </span>
      ))}
      {filters.adders.map((adder) => (
        <Adder key={adder.name} adder={adder} filters={filters} />
      ))}
      {filters.chips.length > 1 ? (
        <Link className="btn sm ghost" to={filters.clearHref}>
          Clear filters
        </Link>
      ) : null}
      {children}
    </div>
  );
}

type AdderView = FiltersView["adders"][number];

/** A list of values to choose from and, where any name is possible, a field: both lead to a URL. */
function Adder({ adder, filters }: { adder: AdderView; filters: FiltersView }) {
  const Icon = adder.name === "status" ? CircleDashed : Plus;
  return (
    <details className="adder" data-adder={adder.name} key={filters.key}>
      <summary className="chip add">
        <Icon className="i xs" aria-hidden="true" />
        {adder.label}
      </summary>
      <div className="pop">
        {adder.free ? <FreeValue adder={adder} filters={filters} /> : null}
        {adder.options.map((option) => (
          <Link key={option.word} to={option.href} className={adder.free ? "mono" : undefined}>
            {option.word}
          </Link>
        ))}
      </div>
    </details>
  );
}

function FreeValue({ adder, filters }: { adder: AdderView; filters: FiltersView }) {
  const id = `filter-${adder.name}`;
  return (
    <form method="get" action={filters.clearHref} className="flex gap-1 p-1">
      {filters.chips.map((chip) => (
        <input key={`${chip.name}=${chip.value}`} type="hidden" name={chip.name} value={chip.value} />
      ))}
      <label className="vh" htmlFor={id}>
        {adder.label} to show
      </label>
      <input id={id} className="input" name={adder.name} placeholder={`${adder.label} name`} required maxLength={128} autoComplete="off" />
      <button type="submit" className="btn">
        Show
      </button>
    </form>
  );
}
