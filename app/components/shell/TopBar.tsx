import { Link, useNavigation } from "@remix-run/react";
import { Menu, Pause, Play, Search, Contrast } from "lucide-react";
import { Fragment, useEffect, useState } from "react";
import { Mark } from "~/components/ui/Mark";
import { Time } from "~/components/ui/Time";
import { useLive, type Live } from "~/hooks/live";
import { plural } from "~/utils/format";
import type { ShellPlace } from "~/presenters/shellView";
import { glyphOf, type Crumb } from "./place";

/** Id of what opens the navigation on a small screen. */
export const MENU_BUTTON = "menu-button";

type Props = { place: ShellPlace | null; crumbs: readonly Crumb[]; here: string; onMenu: () => void; menuOpen: boolean };

/** Where the page is, the go-to field, the live control and the theme. `here` is the page's own path and query. */
export function TopBar({ place, crumbs, here, onMenu, menuOpen }: Props) {
  const busy = useNavigation().state !== "idle";
  return (
    <header className="top">
      <a
        id={MENU_BUTTON}
        className="btn icon ghost menu-btn"
        href="#nav"
        aria-label="Open navigation"
        aria-expanded={menuOpen}
        onClick={(event) => {
          event.preventDefault();
          onMenu();
        }}
      >
        <Menu className="i" aria-hidden="true" />
      </a>
      <Link className="menu-btn" to="/" aria-label="Sluice, home">
        <Mark />
      </Link>
      <Crumbs place={place} crumbs={crumbs} />
      {place ? <GoTo action={`${place.environment.href}/go`} /> : null}
      <LiveControl />
      <ThemeSwitch here={here} />
      <span className={busy ? "busy on" : "busy"} aria-hidden="true" />
    </header>
  );
}

function Crumbs({ place, crumbs }: { place: ShellPlace | null; crumbs: readonly Crumb[] }) {
  const base = place ? `${place.environment.href}/runs` : "/";
  const all: (Crumb & { up: boolean })[] = [
    ...(place ? [{ label: place.project.name, href: base, up: true }] : []),
    ...(place ? [{ label: place.environment.slug, href: base, up: false }] : []),
    ...crumbs.map((crumb, i) => ({ ...crumb, up: i < crumbs.length - 1 })),
  ];
  return (
    <nav className="crumbs grow" aria-label="Breadcrumb">
      {place ? <i className={glyphOf(place.environment.slug)} title={place.environment.slug} /> : null}
      <ol>
        {all.map((crumb, i) => (
          <li key={`${i}${crumb.label}`} className={crumb.up ? "up" : undefined}>
            <CrumbLabel crumb={crumb} last={i === all.length - 1} />
          </li>
        ))}
      </ol>
    </nav>
  );
}

function CrumbLabel({ crumb, last }: { crumb: Crumb; last: boolean }) {
  const text = <span className={crumb.mono ? "mono cut" : "cut"}>{crumb.label}</span>;
  if (last) {
    return (
      <span aria-current="page" className="cut">
        {text}
      </span>
    );
  }
  return crumb.href ? <Link to={crumb.href}>{text}</Link> : <Fragment>{text}</Fragment>;
}

/** An ordinary GET form: a run id, a version or a task name leads to its page. */
function GoTo({ action }: { action: string }) {
  return (
    <form className="jump" method="get" action={action} role="search">
      <label className="vh" htmlFor="goto">
        Go to a run, version or task
      </label>
      <Search className="i s" aria-hidden="true" />
      <input id="goto" name="q" placeholder="Go to run, version, task" autoComplete="off" spellCheck={false} maxLength={200} />
      <span className="kbd" aria-hidden="true">
        /
      </span>
    </form>
  );
}

/** Shown once the page is alive; without JavaScript a link reads the page again. */
function LiveControl() {
  const live = useLive();
  const [alive, setAlive] = useState(false);
  useEffect(() => setAlive(true), []);
  if (!alive) {
    return (
      <noscript>
        <a className="btn sm" href="">
          Refresh
        </a>
      </noscript>
    );
  }
  if (live.mode === "off") return null;
  const paused = live.mode === "paused";
  const Icon = paused ? Play : Pause;
  return (
    <span className={paused ? "live paused" : "live"}>
      <span>
        <i className={dotOf(live)} />
        <LiveWords live={live} />
      </span>
      <button type="button" onClick={live.toggle} aria-label={paused ? "Resume updates" : "Pause updates"}>
        <Icon className="i s" aria-hidden="true" />
        <span>{paused ? "Resume" : "Pause"}</span>
      </button>
    </span>
  );
}

function dotOf(live: Live): string {
  if (live.mode === "live") return "dot pulse";
  return live.mode === "polling" ? "dot idle" : "dot late";
}

function LiveWords({ live }: { live: Live }) {
  if (live.mode === "live") return <>Live</>;
  if (live.mode === "reconnecting") return <>Reconnecting</>;
  if (live.mode === "polling") return <>Every 5 s</>;
  return (
    <span>
      Paused <Time ms={live.pausedAt ?? 0} />
      <em className="not-italic">, {plural(live.changes, "change")}</em>
    </span>
  );
}

/** A form of its own: the cookie is the server's, so the next page is painted right at once. */
function ThemeSwitch({ here }: { here: string }) {
  return (
    <form className="theme hide-sm" method="post" action="/resources/theme">
      <input type="hidden" name="back" value={here} />
      <button type="submit" className="btn icon ghost" aria-label="Switch theme" title="Switch between light and dark">
        <Contrast className="i" aria-hidden="true" />
      </button>
    </form>
  );
}
